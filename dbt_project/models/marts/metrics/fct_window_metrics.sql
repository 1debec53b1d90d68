{{ config(materialized='table', meta={'grows_by': 'run'}) }}
with

windows as (

    select
        record_seq,
        first_date,
        last_date,
        cast(len(return_dates) as bigint) as day_count,
        list_reduce(gross_returns, lambda growth, change: growth * (1 + change), 1.0) - 1 as gross_return,
        list_reduce(net_returns, lambda growth, change: growth * (1 + change), 1.0) - 1 as net_return,
        list_reduce(costs, lambda total, cost: total + cost, 0.0) as cost_total,
        nav_start,
        nav_end,
        turnover_one_way,
        slippage_cost,
        commission_cost,
        liquidated_date,
        cast(len(leavers) as bigint) as leaver_count,
        cast(len(missing_bars) as bigint) as missing_bar_count
    from {{ ref('stg_ledger__simulations') }}

),

drawdowns as (

    select
        record_seq,
        max((nav_peak_in_window - nav) / nav_peak_in_window) as max_drawdown
    from {{ ref('int_returns_stitched_across_windows') }}
    group by record_seq

),

final as (

    select
        cast(windows.record_seq as varchar) as window_metric_id,
        {{ decision_columns() }},
        windows.first_date,
        windows.last_date,
        windows.day_count,
        windows.gross_return,
        windows.net_return,
        windows.nav_start,
        windows.nav_end,
        drawdowns.max_drawdown,
        windows.turnover_one_way,
        windows.slippage_cost,
        windows.commission_cost,
        windows.cost_total,
        windows.liquidated_date,
        windows.leaver_count,
        windows.missing_bar_count,
        {{ outcome_evidence() }}
    from windows
    inner join {{ ref('int_decisions_taken') }} as decisions
        on windows.record_seq = decisions.outcome_seq
    left join drawdowns
        on windows.record_seq = drawdowns.record_seq

)

select * from final

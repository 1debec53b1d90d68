{{ config(materialized='table', meta={'grows_by': 'run'}) }}
with

sides as (

    select
        record_seq,
        unnest(holdings) as entry,
        -1 as sign
    from {{ ref('stg_ledger__rebalances') }}
    union all
    select
        record_seq,
        unnest(targets) as entry,
        1 as sign
    from {{ ref('stg_ledger__rebalances') }}

),

changes as (

    select
        record_seq,
        entry.key as symbol,
        sum(sign * entry.value order by sign) as weight_change
    from sides
    group by record_seq, entry.key

),

totals as (

    select
        record_seq,
        -- The cash leg is minus the sum of the other legs.
        (
            sum(abs(weight_change) order by symbol) + abs(sum(weight_change order by symbol))
        ) / 2 as turnover_recomputed,
        sum(greatest(weight_change, 0) order by symbol) as buy_weight,
        sum(greatest(-weight_change, 0) order by symbol) as sell_weight
    from changes
    group by record_seq

),

final as (

    select
        cast(decisions.outcome_seq as varchar) as turnover_id,
        {{ decision_columns() }},
        rebalances.nav,
        rebalances.turnover_one_way,
        coalesce(totals.turnover_recomputed, 0) as turnover_recomputed,
        coalesce(totals.buy_weight, 0) as buy_weight,
        coalesce(totals.sell_weight, 0) as sell_weight,
        cast(len(rebalances.trades) as bigint) as trade_count,
        rebalances.largest_drift,
        rebalances.urgency,
        rebalances.cash_weight,
        {{ outcome_evidence() }}
    from {{ taken('stg_ledger__rebalances', 'rebalances') }}
    left join totals
        on rebalances.record_seq = totals.record_seq

)

select * from final

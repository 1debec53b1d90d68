with

trades as (

    select
        record_seq,
        map_from_entries(holdings) as holdings,
        map_from_entries(targets) as targets,
        unnest(trades) as trade
    from {{ ref('stg_ledger__rebalances') }}

),

final as (

    select
        trades.record_seq || '.' || trades.trade.symbol as trade_id,
        {{ decision_columns() }},
        trades.trade.symbol as symbol,
        trades.trade.side as side,
        trades.trade.weight as weight_change,
        trades.trade.value as value_change,
        coalesce(trades.holdings[trades.trade.symbol], 0) as holding_weight,
        coalesce(trades.targets[trades.trade.symbol], 0) as target_weight,
        {{ outcome_evidence() }}
    from trades
    inner join {{ ref('int_decisions_taken') }} as decisions
        on trades.record_seq = decisions.outcome_seq

)

select * from final

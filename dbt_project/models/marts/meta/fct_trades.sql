{{ config(materialized='table', meta={'grows_by': 'run'}) }}
with

trades as (

    select
        record_seq,
        unnest(trades) as trade
    from {{ ref('stg_ledger__rebalances') }}

),

holdings as (

    select
        record_seq,
        unnest(holdings) as entry
    from {{ ref('stg_ledger__rebalances') }}

),

targets as (

    select
        record_seq,
        unnest(targets) as entry
    from {{ ref('stg_ledger__rebalances') }}

),

final as (

    select
        trades.record_seq || '.' || trades.trade.symbol as trade_id,
        {{ decision_columns() }},
        trades.trade.symbol,
        trades.trade.side,
        trades.trade.weight as weight_change,
        trades.trade.value as value_change,
        coalesce(holdings.entry.value, 0) as holding_weight,
        coalesce(targets.entry.value, 0) as target_weight,
        {{ outcome_evidence() }}
    from trades
    inner join {{ ref('int_decisions_taken') }} as decisions
        on trades.record_seq = decisions.outcome_seq
    left join holdings
        on trades.record_seq = holdings.record_seq and trades.trade.symbol = holdings.entry.key
    left join targets
        on trades.record_seq = targets.record_seq and trades.trade.symbol = targets.entry.key

)

select * from final

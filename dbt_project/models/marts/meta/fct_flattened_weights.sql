with

weights as (

    select
        record_seq,
        unnest(weights) as item
    from {{ ref('stg_ledger__flattenings') }}

),

final as (

    select
        weights.record_seq || '.' || weights.item.symbol as flattened_weight_id,
        {{ decision_columns() }},
        weights.item.symbol,
        weights.item.net as net_weight,
        weights.item.gross as gross_weight,
        {{ outcome_evidence() }}
    from weights
    inner join {{ ref('int_decisions_taken') }} as decisions
        on weights.record_seq = decisions.outcome_seq

)

select * from final

with

items as (

    select
        record_seq,
        unnest(dropped) as item
    from {{ ref('stg_ledger__optimizations') }}

),

final as (

    select
        items.record_seq || '.' || items.item.symbol as dropped_symbol_id,
        {{ decision_columns() }},
        items.item.symbol,
        items.item.reason,
        {{ outcome_evidence() }}
    from items
    inner join {{ ref('int_decisions_taken') }} as decisions
        on items.record_seq = decisions.outcome_seq

)

select * from final

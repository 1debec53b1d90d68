{{ config(materialized='table', meta={'grows_by': 'run'}) }}
with

constraints as (

    select
        record_seq,
        regime,
        cap_rule,
        symbol_cap_requested,
        cluster_cap_requested,
        unnest(constraints) as item,
        generate_subscripts(constraints, 1) as position
    from {{ ref('stg_ledger__optimizations') }}

),

measured as (

    select
        record_seq,
        position,
        regime,
        cap_rule,
        item.kind,
        item.name,
        item.value,
        item."limit" as threshold,
        item.slack,
        item.binding as is_binding,
        case item.kind
            when 'symbol_cap' then symbol_cap_requested
            when 'cluster_cap' then cluster_cap_requested
        end as requested_threshold,
        -- The budget is an equation; every other constraint is `value <= threshold`.
        case item.kind
            when 'budget' then abs(item."limit" - item.value)
            else greatest(item.value - item."limit", 0)
        end as excess
    from constraints

),

final as (

    select
        measured.record_seq || '.' || measured.position as cap_usage_id,
        {{ decision_columns() }},
        measured.kind,
        measured.name,
        measured.value,
        measured.threshold,
        measured.slack,
        case when measured.threshold != 0 then measured.value / measured.threshold end as usage,
        measured.is_binding,
        measured.excess > {{ var('weight_tolerance') }} as is_breached,
        measured.excess,
        measured.regime,
        measured.cap_rule,
        measured.requested_threshold,
        {{ outcome_evidence() }}
    from measured
    inner join {{ ref('int_decisions_taken') }} as decisions
        on measured.record_seq = decisions.outcome_seq

)

select * from final

{{ config(materialized='table', meta={'grows_by': 'run'}) }}
with

weights as (

    select
        record_seq,
        actual_engine,
        actual_risk_profile,
        unnest(weights) as entry
    from {{ ref('stg_ledger__optimizations') }}

),

final as (

    select
        weights.record_seq || '.' || weights.entry.key as weight_id,
        {{ decision_columns() }},
        weights.entry.key as symbol,
        weights.entry.value as weight,
        selections.cluster,
        weights.actual_engine,
        weights.actual_risk_profile,
        {{ outcome_evidence() }}
    from weights
    inner join {{ ref('int_decisions_taken') }} as decisions
        on weights.record_seq = decisions.outcome_seq
    left join {{ ref('fct_selections') }} as selections
        on
            decisions.run_id = selections.run_id
            and decisions.sleeve = selections.sleeve
            and decisions.window_ordinal = selections.window_ordinal
            and weights.entry.key = selections.symbol

)

select * from final

{{ config(materialized='table', meta={'grows_by': 'run'}) }}
with

components as (

    select
        record_seq,
        unnest(components) as component
    from {{ ref('stg_ledger__regimes') }}

),

final as (

    select
        components.record_seq || '.' || components.component.name as regime_component_id,
        {{ decision_columns() }},
        components.component.name as component,
        components.component.value,
        components.component.null_percentile,
        components.component.weight,
        components.component.accepted as is_accepted,
        components.component.note,
        {{ outcome_evidence() }}
    from components
    inner join {{ ref('int_decisions_taken') }} as decisions
        on components.record_seq = decisions.outcome_seq

)

select * from final

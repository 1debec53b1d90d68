with

components as (

    select
        record_seq,
        unnest(components) as component
    from {{ ref('stg_ledger__regimes') }}

),

final as (

    select
        components.record_seq || '.' || {{ json_text('components.component', 'name') }} as regime_component_id,
        {{ decision_columns() }},
        {{ json_text('components.component', 'name') }} as component,
        {{ json_number('components.component', 'value') }} as value,
        {{ json_number('components.component', 'null_percentile') }} as null_percentile,
        {{ json_number('components.component', 'weight') }} as weight,
        {{ json_flag('components.component', 'accepted') }} as is_accepted,
        {{ json_text('components.component', 'note') }} as note,
        {{ outcome_evidence() }}
    from components
    inner join {{ ref('int_decisions_taken') }} as decisions
        on components.record_seq = decisions.outcome_seq

)

select * from final

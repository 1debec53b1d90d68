with

weights as (

    select
        record_seq,
        unnest(weights) as item
    from {{ ref('stg_ledger__flattenings') }}

),

paths as (

    select
        record_seq,
        {{ json_text('item', 'symbol') }} as symbol,
        unnest({{ json_items('item', 'paths') }}) as path
    from weights

),

final as (

    select
        paths.record_seq || '.' || paths.symbol || '.' || {{ json_text('paths.path', 'sleeve') }} as flattened_path_id,
        {{ decision_columns() }},
        paths.symbol,
        {{ json_text('paths.path', 'sleeve') }} as sleeve_path,
        {{ json_number('paths.path', 'sleeve_weight') }} as sleeve_weight,
        {{ json_number('paths.path', 'weight') }} as weight,
        {{ outcome_evidence() }}
    from paths
    inner join {{ ref('int_decisions_taken') }} as decisions
        on paths.record_seq = decisions.outcome_seq

)

select * from final

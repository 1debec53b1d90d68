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
        item.symbol,
        unnest(item.paths) as path
    from weights

),

final as (

    select
        paths.record_seq || '.' || paths.symbol || '.' || paths.path.sleeve as flattened_path_id,
        {{ decision_columns() }},
        paths.symbol,
        paths.path.sleeve as sleeve_path,
        paths.path.sleeve_weight,
        paths.path.weight,
        {{ outcome_evidence() }}
    from paths
    inner join {{ ref('int_decisions_taken') }} as decisions
        on paths.record_seq = decisions.outcome_seq

)

select * from final

with

parameter_sets as (

    select
        stage,
        params_sha256,
        min_by(params, record_seq) as params,
        min(record_seq) as record_seq,
        min_by(record_hash, record_seq) as record_hash,
        min_by(run_id, record_seq) as run_id
    from {{ ref('int_intents_paired_with_outcomes') }}
    group by stage, params_sha256

),

leaves as (

    select
        parameter_sets.stage,
        parameter_sets.params_sha256,
        parameter_sets.record_seq,
        parameter_sets.record_hash,
        parameter_sets.run_id,
        -- `$.source.kind` becomes `source.kind`.
        replace(ltrim(nodes.fullkey, '$.'), '"', '') as parameter,
        coalesce(json_extract_string(nodes.value, '$'), 'null') as value
    from parameter_sets
    cross join lateral json_tree(parameter_sets.params) as nodes
    where
        nodes.fullkey != '$'
        and (
            nodes.type not in ('OBJECT', 'ARRAY')
            or cast(nodes.value as varchar) in ('{}', '[]')
        )

),

final as (

    select
        record_seq || '.' || parameter as parameter_id,
        params_sha256,
        stage,
        parameter,
        value,
        record_seq,
        record_hash,
        run_id
    from leaves

)

select * from final

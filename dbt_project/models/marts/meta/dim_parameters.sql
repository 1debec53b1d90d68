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

final as (

    select
        parameter_sets.record_seq || '.' || replace(ltrim(leaves.fullkey, '$.'), '"', '') as parameter_id,
        parameter_sets.params_sha256,
        parameter_sets.stage,
        replace(ltrim(leaves.fullkey, '$.'), '"', '') as parameter,
        coalesce(json_extract_string(leaves.value, '$'), 'null') as value,
        parameter_sets.record_seq,
        parameter_sets.record_hash,
        parameter_sets.run_id
    from parameter_sets
    cross join lateral json_tree(parameter_sets.params) as leaves
    where
        leaves.fullkey != '$'
        and (leaves.type not in ('OBJECT', 'ARRAY') or cast(leaves.value as varchar) in ('{}', '[]'))

)

select * from final

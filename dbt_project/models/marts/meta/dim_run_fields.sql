with

openings as (

    select
        record_seq,
        record_hash,
        run_id,
        profile,
        kind,
        manifest_sha256,
        seed,
        diff_sha256,
        environment
    from {{ ref('stg_ledger__openings') }}
    where is_first

),

scalars as (

    select
        run_id,
        'kind' as field,
        kind as value
    from openings
    union all
    select
        run_id,
        'manifest_sha256' as field,
        manifest_sha256 as value
    from openings
    union all
    select
        run_id,
        'seed' as field,
        cast(seed as varchar) as value
    from openings
    union all
    select
        run_id,
        'diff_sha256' as field,
        diff_sha256 as value
    from openings

),

environments as (

    select
        openings.run_id,
        -- `$.packages.numpy` and `$.packages."scikit-learn"` alike become `packages.numpy`, ...
        replace(ltrim(leaves.fullkey, '$.'), '"', '') as field,
        json_extract_string(leaves.value, '$') as value
    from openings
    cross join lateral json_tree(openings.environment) as leaves
    where leaves.type not in ('OBJECT', 'ARRAY')

),

fields as (

    select
        run_id,
        field,
        value
    from scalars
    where value is not null
    union all
    select
        run_id,
        field,
        value
    from environments
    where value is not null

),

final as (

    select
        openings.record_seq || '.' || fields.field as run_field_id,
        openings.profile,
        fields.field,
        fields.value,
        openings.record_seq,
        openings.record_hash,
        openings.run_id
    from fields
    inner join openings
        on fields.run_id = openings.run_id

)

select * from final

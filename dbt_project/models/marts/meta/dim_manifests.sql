with

final as (

    select
        manifest_sha256 as manifest_id,
        min_by(profile, record_seq) as profile,
        min_by(run_id, record_seq) as first_run_id,
        count(*) as run_count,
        min_by(opened_at, record_seq) as first_used_at,
        min(record_seq) as record_seq,
        min_by(record_hash, record_seq) as record_hash,
        min_by(run_id, record_seq) as run_id
    from {{ ref('stg_ledger__openings') }}
    where is_first and manifest_sha256 is not null
    group by manifest_sha256

)

select * from final

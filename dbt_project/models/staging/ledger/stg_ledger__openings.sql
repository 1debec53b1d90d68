with

final as (

    select
        ---------- ids
        record_seq,
        record_hash,
        run_id,

        ---------- strings
        {{ json_text('data', 'kind') }} as kind,
        {{ json_text('data', 'profile') }} as profile,
        {{ json_part('data', 'sleeves') }} as sleeves,
        {{ json_text('data', 'manifest_sha256') }} as manifest_sha256,
        {{ json_text('data', 'environment.commit') }} as commit_sha,
        {{ json_text('data', 'environment.lock_sha256') }} as lock_sha256,
        {{ json_text('inputs', 'diff') }} as diff_sha256,
        {{ json_part('data', 'environment') }} as environment,
        actor,

        ---------- numerics
        {{ json_count('data', 'seed') }} as seed,

        ---------- booleans
        {{ json_flag('data', 'environment.dirty') }} as is_dirty,

        ---------- timestamps
        recorded_at as opened_at
    from {{ ref('stg_ledger__records') }}
    where record_type = 'run' and status = 'open'

)

select * from final

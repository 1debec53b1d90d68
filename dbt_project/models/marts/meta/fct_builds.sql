with

builds as (

    select
        record_seq,
        record_hash,
        run_id,
        through_seq,
        through_hash,
        unnest(marts) as mart
    from {{ ref('stg_ledger__builds') }}

),

final as (

    select
        record_seq || '.' || {{ json_text('mart', 'name') }} as build_id,
        through_seq,
        through_hash,
        {{ json_text('mart', 'name') }} as mart,
        {{ json_count('mart', 'rows') }} as row_count,
        {{ json_text('mart', 'sha256') }} as content_sha256,
        record_seq,
        record_hash,
        run_id
    from builds

)

select * from final

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
        record_seq || '.' || mart.name as build_id,
        through_seq,
        through_hash,
        mart.name as mart,
        mart.rows as row_count,
        mart.sha256 as content_sha256,
        record_seq,
        record_hash,
        run_id
    from builds

)

select * from final

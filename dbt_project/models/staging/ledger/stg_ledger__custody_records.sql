with

final as (

    select
        record_seq,
        record_hash,
        run_id,
        record_type,
        step,
        status,
        actor,
        data,
        recorded_at
    from {{ ref('stg_ledger__records') }}
    where
        record_type in ('genesis', 'note', 'anchor', 'key', 'approval', 'redaction', 'recovery')
        -- Whether an erased record opened or closed its run is not known any more.
        or (record_type = 'run' and is_redacted)

)

select * from final

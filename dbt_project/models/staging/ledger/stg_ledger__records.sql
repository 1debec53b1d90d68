with

head as (

    select through_seq from {{ source('raw', 'head') }}

),

final as (

    select
        ---------- ids
        seq as record_seq,
        hash as record_hash,
        prev_hash as previous_hash,
        run_id,
        id as decision_id,

        ---------- strings
        type as record_type,
        step,
        -- The stub of an erased record has no content left, hence no status of its own.
        case when redacted then 'redacted' else coalesce(status, '') end as status,
        actor,
        ts as written_ts,

        ---------- documents
        inputs,
        outputs,
        data,
        line,

        ---------- booleans
        redacted as is_redacted,

        ---------- timestamps
        cast(rtrim(ts, 'Z') as timestamp) as recorded_at

    from {{ source('raw', 'records') }}
    where seq <= (select through_seq from head)

)

select * from final

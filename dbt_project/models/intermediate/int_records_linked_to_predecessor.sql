with

-- An erased record is a stub with the hash of what stood there; a later redaction allows it.
redactions as (

    select
        cast(json_extract_string(data, '$.seq') as bigint) as erased_seq,
        max(record_seq) as redaction_seq
    from {{ ref('stg_ledger__custody_records') }}
    where record_type = 'redaction'
    group by erased_seq

),

-- Hashes before the window, so that the chain is ordered among short rows and not among lines.
hashed as (

    select
        record_seq,
        record_hash,
        previous_hash,
        run_id,
        record_type,
        recorded_at,
        written_ts,
        is_redacted,
        record_hash = {{ record_hash_of('line') }} as is_line_hashed
    from {{ ref('stg_ledger__records') }}

),

final as (

    select
        records.record_seq,
        records.record_hash,
        records.run_id,
        records.record_type,
        records.recorded_at,
        records.record_seq = lag(records.record_seq, 1, -1) over chain + 1 as is_next,
        records.previous_hash
        = lag(records.record_hash, 1, repeat('0', 64)) over chain as is_linked,
        case
            when records.is_redacted
                then coalesce(redactions.redaction_seq > records.record_seq, false)
            else records.is_line_hashed
        end as is_hash_right,
        records.written_ts >= lag(records.written_ts, 1, '') over chain as is_time_forward
    from hashed as records
    left join redactions
        on records.record_seq = redactions.erased_seq
    window chain as (order by records.record_seq)

)

select * from final

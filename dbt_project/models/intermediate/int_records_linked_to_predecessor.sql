with

final as (

    select
        record_seq,
        record_hash,
        run_id,
        record_type,
        recorded_at,
        record_seq = lag(record_seq, 1, -1) over (order by record_seq) + 1 as is_next,
        previous_hash
        = lag(record_hash, 1, repeat('0', 64)) over (order by record_seq) as is_linked,
        record_hash = {{ record_hash_of('line') }} as is_hash_right,
        written_ts >= lag(written_ts, 1, '') over (order by record_seq) as is_time_forward
    from {{ ref('stg_ledger__records') }}

)

select * from final

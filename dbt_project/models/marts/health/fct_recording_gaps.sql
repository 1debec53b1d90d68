with

consecutive as (

    select
        run_id,
        record_seq,
        record_hash,
        recorded_at,
        lag(record_seq) over (partition by run_id order by record_seq) as previous_seq,
        lag(recorded_at) over (partition by run_id order by record_seq) as previous_at
    from {{ ref('stg_ledger__records') }}
    where run_id is not null

),

ranked as (

    select
        run_id,
        record_seq,
        record_hash,
        recorded_at,
        previous_seq,
        previous_at,
        date_diff('microsecond', previous_at, recorded_at) / 1000000.0 as seconds,
        row_number() over (
            partition by run_id
            order by date_diff('microsecond', previous_at, recorded_at) desc, record_seq
        ) as gap_rank
    from consecutive
    where previous_seq is not null

),

final as (

    select
        cast(record_seq as varchar) as recording_gap_id,
        gap_rank,
        cast(seconds as double) as seconds,
        previous_seq,
        previous_at,
        recorded_at,
        record_seq,
        record_hash,
        run_id
    from ranked
    where gap_rank <= 10

)

select * from final

with

final as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        {{ json_text('result', 'through_hash') }} as through_hash,
        {{ json_count('result', 'through_seq') }} as through_seq,
        {{ json_items('result', 'marts') }} as marts
    from {{ ref('stg_ledger__results') }}
    where step = 'build'

)

select * from final

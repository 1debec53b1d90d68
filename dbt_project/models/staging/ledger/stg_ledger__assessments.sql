with

final as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        {{ json_text('result', 'gate') }} as gate,
        {{ json_flag('result', 'strict') }} as is_strict,
        {{ json_date('result', 'as_of') }} as result_as_of_date,
        {{ json_items('result', 'symbols') }} as symbols
    from {{ ref('stg_ledger__results') }}
    where step = 'assess'

)

select * from final

with

final as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        {{ json_text('result', 'regime') }} as regime,
        {{ json_number('result', 'score') }} as score,
        {{ json_count('result', 'observations') }} as observation_count,
        {{ json_date('result', 'as_of') }} as result_as_of_date,
        {{ json_items('result', 'components') }} as components
    from {{ ref('stg_ledger__results') }}
    where step = 'detect'

)

select * from final

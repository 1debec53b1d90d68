with

final as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        {{ json_number('result', 'cash') }} as cash_weight,
        {{ json_number('result', 'net_total') }} as net_total,
        {{ json_number('result', 'gross_total') }} as gross_total,
        {{ json_number('result', 'net_expected') }} as net_expected,
        {{ json_number('result', 'gross_expected') }} as gross_expected,
        {{ json_flag('result', 'conserved') }} as is_conserved,
        {{ json_date('result', 'as_of') }} as result_as_of_date,
        {{ json_items('result', 'weights') }} as weights
    from {{ ref('stg_ledger__results') }}
    where step = 'flatten'

)

select * from final

with

final as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        {{ json_text('result', 'urgency') }} as urgency,
        {{ json_number('result', 'nav') }} as nav,
        {{ json_number('result', 'cash_weight') }} as cash_weight,
        {{ json_number('result', 'turnover_one_way') }} as turnover_one_way,
        {{ json_number('result', 'largest_drift') }} as largest_drift,
        {{ json_date('result', 'as_of') }} as result_as_of_date,
        {{ json_number_entries('result', 'holdings') }} as holdings,
        {{ json_number_entries('result', 'targets') }} as targets,
        {{ json_items('result', 'trades') }} as trades
    from {{ ref('stg_ledger__results') }}
    where step = 'rebalance'

)

select * from final

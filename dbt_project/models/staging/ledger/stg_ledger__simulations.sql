with

final as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        {{ json_number('result', 'nav_start') }} as nav_start,
        {{ json_number('result', 'nav_end') }} as nav_end,
        {{ json_number('result', 'turnover_one_way') }} as turnover_one_way,
        {{ json_number('result', 'slippage_cost') }} as slippage_cost,
        {{ json_number('result', 'commission_cost') }} as commission_cost,
        {{ json_date('result', 'first_date') }} as first_date,
        {{ json_date('result', 'last_date') }} as last_date,
        {{ json_date('result', 'liquidated_at') }} as liquidated_date,
        cast(json_extract(result, '$.dates') as date[]) as return_dates,
        cast(json_extract(result, '$.gross_returns') as double[]) as gross_returns,
        cast(json_extract(result, '$.net_returns') as double[]) as net_returns,
        cast(json_extract(result, '$.costs') as double[]) as costs,
        cast(json_extract(result, '$.nav') as double[]) as navs,
        {{ json_items('result', 'leavers') }} as leavers,
        {{ json_items('result', 'missing_bars') }} as missing_bars
    from {{ ref('stg_ledger__results') }}
    where step = 'simulate'

)

select * from final

with

final as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        {{ json_number('result', 'gross.total_return') }} as gross_total_return,
        {{ json_number('result', 'gross.annual_return') }} as gross_annual_return,
        {{ json_number('result', 'gross.volatility') }} as gross_volatility,
        {{ json_number('result', 'gross.sharpe') }} as gross_sharpe,
        {{ json_number('result', 'gross.sortino') }} as gross_sortino,
        {{ json_number('result', 'gross.calmar') }} as gross_calmar,
        {{ json_number('result', 'gross.max_drawdown') }} as gross_max_drawdown,
        {{ json_number('result', 'gross.var_95') }} as gross_var_95,
        {{ json_number('result', 'gross.cvar_95') }} as gross_cvar_95,
        {{ json_number('result', 'net.total_return') }} as net_total_return,
        {{ json_number('result', 'net.annual_return') }} as net_annual_return,
        {{ json_number('result', 'net.volatility') }} as net_volatility,
        {{ json_number('result', 'net.sharpe') }} as net_sharpe,
        {{ json_number('result', 'net.sortino') }} as net_sortino,
        {{ json_number('result', 'net.calmar') }} as net_calmar,
        {{ json_number('result', 'net.max_drawdown') }} as net_max_drawdown,
        {{ json_number('result', 'net.var_95') }} as net_var_95,
        {{ json_number('result', 'net.cvar_95') }} as net_cvar_95,
        {{ json_number('result', 'turnover_one_way_total') }} as turnover_one_way_total,
        {{ json_number('result', 'costs_total') }} as cost_total,
        {{ json_count('result', 'days') }} as day_count,
        {{ json_count('result', 'periods_per_year') }} as periods_per_year,
        {{ json_date('result', 'first_date') }} as first_date,
        {{ json_date('result', 'last_date') }} as last_date,
        {{ json_date('result', 'liquidated_at') }} as liquidated_date
    from {{ ref('stg_ledger__results') }}
    where step = 'measure'

)

select * from final

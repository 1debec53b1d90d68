with

parsed as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        {% call json_struct('result') %}{
            "gross": {
                "total_return": "DOUBLE", "annual_return": "DOUBLE", "volatility": "DOUBLE",
                "sharpe": "DOUBLE", "sortino": "DOUBLE", "calmar": "DOUBLE",
                "max_drawdown": "DOUBLE", "var_95": "DOUBLE", "cvar_95": "DOUBLE"
            },
            "net": {
                "total_return": "DOUBLE", "annual_return": "DOUBLE", "volatility": "DOUBLE",
                "sharpe": "DOUBLE", "sortino": "DOUBLE", "calmar": "DOUBLE",
                "max_drawdown": "DOUBLE", "var_95": "DOUBLE", "cvar_95": "DOUBLE"
            },
            "turnover_one_way_total": "DOUBLE", "costs_total": "DOUBLE", "days": "BIGINT",
            "periods_per_year": "BIGINT", "first_date": "DATE", "last_date": "DATE",
            "liquidated_at": "DATE"
        }{% endcall %} as result
    from {{ ref('stg_ledger__results') }}
    where step = 'measure'

),

final as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        result.gross.total_return as gross_total_return,
        result.gross.annual_return as gross_annual_return,
        result.gross.volatility as gross_volatility,
        result.gross.sharpe as gross_sharpe,
        result.gross.sortino as gross_sortino,
        result.gross.calmar as gross_calmar,
        result.gross.max_drawdown as gross_max_drawdown,
        result.gross.var_95 as gross_var_95,
        result.gross.cvar_95 as gross_cvar_95,
        result.net.total_return as net_total_return,
        result.net.annual_return as net_annual_return,
        result.net.volatility as net_volatility,
        result.net.sharpe as net_sharpe,
        result.net.sortino as net_sortino,
        result.net.calmar as net_calmar,
        result.net.max_drawdown as net_max_drawdown,
        result.net.var_95 as net_var_95,
        result.net.cvar_95 as net_cvar_95,
        result.turnover_one_way_total,
        result.costs_total as cost_total,
        result.days as day_count,
        result.periods_per_year,
        result.first_date,
        result.last_date,
        result.liquidated_at as liquidated_date
    from parsed

)

select * from final

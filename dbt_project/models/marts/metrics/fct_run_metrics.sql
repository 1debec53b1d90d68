with

final as (

    select
        cast(decisions.outcome_seq as varchar) as run_metric_id,
        decisions.decision_id,
        decisions.sleeve,
        decisions.engine,
        decisions.risk_profile,
        measurements.first_date,
        measurements.last_date,
        measurements.day_count,
        measurements.periods_per_year,
        measurements.gross_total_return,
        measurements.gross_annual_return,
        measurements.gross_volatility,
        measurements.gross_sharpe,
        measurements.gross_sortino,
        measurements.gross_calmar,
        measurements.gross_max_drawdown,
        measurements.gross_var_95,
        measurements.gross_cvar_95,
        measurements.net_total_return,
        measurements.net_annual_return,
        measurements.net_volatility,
        measurements.net_sharpe,
        measurements.net_sortino,
        measurements.net_calmar,
        measurements.net_max_drawdown,
        measurements.net_var_95,
        measurements.net_cvar_95,
        measurements.turnover_one_way_total,
        measurements.cost_total,
        measurements.liquidated_date,
        {{ outcome_evidence() }}
    from {{ taken('stg_ledger__measurements', 'measurements') }}

)

select * from final

-- Metrics of every book of the run, as recorded.
select
    sleeve, engine, risk_profile, first_date, last_date, day_count, periods_per_year,
    gross_total_return, net_total_return, gross_annual_return, net_annual_return,
    gross_volatility, net_volatility, gross_sharpe, net_sharpe, gross_max_drawdown,
    net_max_drawdown, net_sortino, net_cvar_95, turnover_one_way_total, cost_total,
    liquidated_date, record_seq, record_hash
from metrics.fct_run_metrics
where run_id = $run_id
order by record_seq

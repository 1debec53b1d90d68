-- Growth of every book of the run, day by day.
select sleeve, engine, risk_profile, return_date, gross_growth, net_growth
from metrics.fct_portfolio_returns
where run_id = $run_id
order by sleeve, engine, risk_profile, return_date

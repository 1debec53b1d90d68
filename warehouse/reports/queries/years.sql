-- Net return of every book of the run by calendar year; the first and last year may be partial.
with years as (
    select
        sleeve, engine, risk_profile,
        year(return_date) as year,
        count(*) as days,
        arg_max(net_growth, return_date) as net_growth
    from metrics.fct_portfolio_returns
    where run_id = $run_id
    group by all
)

select
    sleeve, engine, risk_profile, year, days, net_growth,
    net_growth / coalesce(
        lag(net_growth) over (partition by sleeve, engine, risk_profile order by year), 1
    ) - 1 as net_return
from years
order by sleeve, engine, risk_profile, year

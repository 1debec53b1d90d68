-- Growth, drawdown and rolling volatility of the main cell, day by day.
select
    return_date,
    gross_growth,
    net_growth,
    drawdown,
    case
        when count(*) over quarter = 63
            then stddev_samp(net_return) over quarter * sqrt($periods_per_year)
    end as volatility
from metrics.fct_portfolio_returns
where
    run_id = $run_id and sleeve = $sleeve and engine = $engine and risk_profile = $risk_profile
window quarter as (order by return_date rows between 62 preceding and current row)
order by return_date

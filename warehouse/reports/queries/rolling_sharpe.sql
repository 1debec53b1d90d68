-- Sharpe ratio of the main cell over 63 days, day by day.
select
    return_date,
    case
        when count(*) over quarter = 63
            then
                avg(net_return) over quarter
                / nullif(stddev_samp(net_return) over quarter, 0) * sqrt($periods_per_year)
    end as sharpe,
    record_seq, record_hash
from metrics.fct_portfolio_returns
where
    run_id = $run_id and sleeve = $sleeve and engine = $engine and risk_profile = $risk_profile
window quarter as (order by return_date rows between 62 preceding and current row)
order by return_date

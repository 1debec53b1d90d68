-- The main cell at the end of each month.
with days as (
    select
        return_date, gross_growth, net_growth, drawdown, record_seq, record_hash,
        case
            when count(*) over quarter = 63
                then stddev_samp(net_return) over quarter * sqrt($periods_per_year)
        end as volatility
    from metrics.fct_portfolio_returns
    where
        run_id = $run_id and sleeve = $sleeve and engine = $engine
        and risk_profile = $risk_profile
    window quarter as (order by return_date rows between 62 preceding and current row)
),

months as (
    select
        date_trunc('month', return_date)::date as month,
        count(*) as days,
        arg_max(gross_growth, return_date) as gross_growth,
        arg_max(net_growth, return_date) as net_growth,
        max(abs(drawdown)) as worst_drawdown,
        arg_max(volatility, return_date) as volatility,
        arg_max(record_seq, return_date) as record_seq,
        arg_max(record_hash, return_date) as record_hash
    from days
    group by all
)

select
    month, days, gross_growth, net_growth,
    gross_growth / coalesce(lag(gross_growth) over (order by month), 1) - 1 as gross_return,
    net_growth / coalesce(lag(net_growth) over (order by month), 1) - 1 as net_return,
    worst_drawdown, volatility, record_seq, record_hash
from months
order by month

-- Sharpe ratio of every book of the run in the first and in the second half of its days.
with days as (
    select
        sleeve, engine, risk_profile, return_date, net_return, record_seq, record_hash,
        ntile(2) over (
            partition by sleeve, engine, risk_profile order by return_date
        ) as half
    from metrics.fct_portfolio_returns
    where run_id = $run_id
),

halves as (
    select
        sleeve, engine, risk_profile, half,
        avg(net_return order by return_date)
        / nullif(stddev_samp(net_return order by return_date), 0)
        * sqrt($periods_per_year) as sharpe,
        arg_max(record_seq, return_date) as record_seq,
        arg_max(record_hash, return_date) as record_hash
    from days
    group by sleeve, engine, risk_profile, half
)

select
    sleeve, engine, risk_profile,
    max(sharpe) filter (where half = 1) as first_sharpe,
    max(sharpe) filter (where half = 2) as second_sharpe,
    max(record_seq) as record_seq,
    arg_max(record_hash, record_seq) as record_hash
from halves
group by sleeve, engine, risk_profile
order by max(record_seq), sleeve, engine, risk_profile

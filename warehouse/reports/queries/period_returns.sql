-- Every book of the run over the days of the period, linked from its daily returns.
with books as (
    select
        sleeve, engine, risk_profile,
        min(return_date) as first_date,
        max(return_date) as last_date,
        count(*) as day_count,
        arg_max(gross_growth, return_date) - 1 as gross_return,
        arg_max(net_growth, return_date) - 1 as net_return,
        stddev_samp(net_return order by return_date) as net_deviation,
        avg(net_return order by return_date) as net_mean,
        max(drawdown) as largest_drawdown,
        sum(cost order by return_date) as cost_total,
        arg_max(record_seq, return_date) as record_seq,
        arg_max(record_hash, return_date) as record_hash
    from metrics.fct_portfolio_returns
    where run_id = $run_id
    group by sleeve, engine, risk_profile
)

select
    b.sleeve, b.engine, b.risk_profile, b.first_date, b.last_date, b.day_count, b.gross_return,
    b.net_return,
    case
        when b.day_count >= m.periods_per_year
            then (1 + b.net_return) ** (m.periods_per_year / b.day_count) - 1
    end as net_annual_return,
    b.net_deviation * sqrt(m.periods_per_year) as net_volatility,
    case
        when b.net_deviation > 0
            then b.net_mean / b.net_deviation * sqrt(m.periods_per_year)
    end as net_sharpe,
    b.largest_drawdown, b.cost_total, b.record_seq, b.record_hash
from books as b
inner join metrics.fct_run_metrics as m
    on
        m.run_id = $run_id and b.sleeve = m.sleeve and b.engine = m.engine
        and b.risk_profile = m.risk_profile
order by m.record_seq

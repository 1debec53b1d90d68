with backtests as (
    select
        run_id,
        row_number() over (order by record_seq desc) as recency
    from meta.dim_runs
    where kind in ('backtest', 'rebalance')
),

chosen as (
    select *
    from (
        select
            coalesce($run_a, (select run_id from backtests where recency = 2)) as run_a,
            coalesce($run_b, (select run_id from backtests where recency = 1)) as run_b
    )
    -- Against nothing, everything would have changed.
    where run_a is not null and run_b is not null
),

before as (
    select weights.*
    from metrics.fct_weights as weights
    inner join chosen
        on weights.run_id = chosen.run_a
),

after as (
    select weights.*
    from metrics.fct_weights as weights
    inner join chosen
        on weights.run_id = chosen.run_b
),

moved as (
    select
        coalesce(before.sleeve, after.sleeve) as sleeve,
        coalesce(before.engine, after.engine) as engine,
        coalesce(before.risk_profile, after.risk_profile) as risk_profile,
        coalesce(before.as_of_date, after.as_of_date) as as_of_date,
        coalesce(before.symbol, after.symbol) as symbol,
        before.weight as weight_a,
        after.weight as weight_b,
        coalesce(after.weight, 0) - coalesce(before.weight, 0) as change,
        before.record_seq as record_seq_a,
        after.record_seq as record_seq_b
    from before
    full join after
        on
            before.sleeve = after.sleeve
            and before.engine = after.engine
            and before.risk_profile = after.risk_profile
            and before.as_of_date = after.as_of_date
            and before.symbol = after.symbol
)

select
    sleeve,
    engine,
    risk_profile,
    as_of_date,
    symbol,
    weight_a,
    weight_b,
    change,
    sum(abs(change)) over (
        partition by sleeve, engine, risk_profile, as_of_date
        order by symbol
        rows between unbounded preceding and unbounded following
    ) / 2 as decision_change_one_way,
    record_seq_a,
    record_seq_b
from moved
where change != 0
order by sleeve, engine, risk_profile, as_of_date, symbol

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
    select
        fields.field,
        fields.value
    from meta.dim_run_fields as fields
    inner join chosen
        on fields.run_id = chosen.run_a
),

after as (
    select
        fields.field,
        fields.value
    from meta.dim_run_fields as fields
    inner join chosen
        on fields.run_id = chosen.run_b
)

select
    chosen.run_a,
    chosen.run_b,
    coalesce(before.field, after.field) as field,
    before.value as value_a,
    after.value as value_b
from before
full join after
    on before.field = after.field
cross join chosen
where before.value is distinct from after.value
order by field

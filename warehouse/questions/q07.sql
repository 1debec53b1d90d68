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

-- A decision without its run and attempt: what is compared with what.
decisions as (
    select
        run_id,
        regexp_replace(substr(decision_id, length(run_id) + 2), '/[0-9]+$', '') as decision,
        max_by(stage, record_seq) as stage,
        max_by(params_sha256, record_seq) as params_sha256
    from health.fct_intents
    group by run_id, decision
),

before as (
    select decisions.*
    from decisions
    inner join chosen
        on decisions.run_id = chosen.run_a
),

after as (
    select decisions.*
    from decisions
    inner join chosen
        on decisions.run_id = chosen.run_b
),

moved as (
    select
        coalesce(before.decision, after.decision) as decision,
        before.stage as stage_a,
        after.stage as stage_b,
        before.params_sha256 as params_a,
        after.params_sha256 as params_b
    from before
    full join after
        on before.decision = after.decision
    where
        before.params_sha256 is distinct from after.params_sha256
        or before.stage is distinct from after.stage
),

names as (
    select
        moved.decision,
        parameters.parameter
    from moved
    inner join meta.dim_parameters as parameters
        on
            (parameters.params_sha256 = moved.params_a and parameters.stage = moved.stage_a)
            or (parameters.params_sha256 = moved.params_b and parameters.stage = moved.stage_b)
    group by moved.decision, parameters.parameter
)

select
    moved.decision,
    case
        when moved.stage_a is null then 'only in run_b'
        when moved.stage_b is null then 'only in run_a'
        when moved.stage_a != moved.stage_b then moved.stage_a || ' -> ' || moved.stage_b
        else moved.stage_a
    end as stage,
    names.parameter,
    before_parameters.value as value_a,
    after_parameters.value as value_b
from moved
left join names
    on moved.decision = names.decision
left join meta.dim_parameters as before_parameters
    on
        moved.params_a = before_parameters.params_sha256
        and moved.stage_a = before_parameters.stage
        and names.parameter = before_parameters.parameter
left join meta.dim_parameters as after_parameters
    on
        moved.params_b = after_parameters.params_sha256
        and moved.stage_b = after_parameters.stage
        and names.parameter = after_parameters.parameter
where
    before_parameters.value is distinct from after_parameters.value
    or moved.stage_a is distinct from moved.stage_b
order by moved.decision, names.parameter

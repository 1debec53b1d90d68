with simulated as (
    select
        intents.run_id,
        intents.sleeve,
        intents.engine,
        intents.risk_profile,
        string_agg(distinct parameters.value, ', ' order by parameters.value) as simulator
    from health.fct_intents as intents
    inner join meta.dim_parameters as parameters
        on
            intents.stage = parameters.stage
            and intents.params_sha256 = parameters.params_sha256
            and parameters.parameter = 'simulator'
    where intents.step = 'simulate' and intents.outcome_status = 'ok'
    group by intents.run_id, intents.sleeve, intents.engine, intents.risk_profile
),

checked as (
    select
        decision_id,
        bool_and(is_equal) as is_recomputed
    from metrics.fct_metric_checks
    group by decision_id
)

select
    measured.run_id,
    measured.sleeve,
    measured.engine,
    measured.risk_profile,
    simulated.simulator,
    measured.first_date,
    measured.last_date,
    measured.day_count,
    measured.net_total_return,
    case
        when measured.day_count >= measured.periods_per_year then measured.net_annual_return
    end as net_annual_return,
    measured.gross_total_return,
    case
        when measured.day_count >= measured.periods_per_year then measured.gross_annual_return
    end as gross_annual_return,
    measured.net_sharpe,
    measured.net_max_drawdown,
    case
        when
            measured.day_count < measured.periods_per_year
            and (
                measured.net_annual_return is not null or measured.gross_annual_return is not null
            )
            then 'less than a year was annualised'
        when not checked.is_recomputed
            then 'the stitched returns give other numbers'
    end as finding,
    measured.record_seq,
    measured.record_hash
from metrics.fct_run_metrics as measured
left join simulated
    on
        measured.run_id = simulated.run_id
        and measured.sleeve = simulated.sleeve
        and measured.engine = simulated.engine
        and measured.risk_profile = simulated.risk_profile
left join checked
    on measured.decision_id = checked.decision_id
where
    ($run_id is null or measured.run_id = $run_id)
    and ($sleeve is null or measured.sleeve = $sleeve)
order by measured.record_seq

-- Limits of the last successful optimisation of each cell, with their slack.
with newest as (
    select decision_id
    from health.fct_solver_outcomes
    where run_id = $run_id and outcome_status = 'ok'
    qualify
        row_number() over (
            partition by sleeve, engine, risk_profile
            order by window_ordinal desc, record_seq desc
        ) = 1
)

select
    u.decision_id, u.kind, u.name, u.value, u.threshold, u.slack, u.is_binding, u.is_breached
from metrics.fct_cap_usage as u
inner join newest using (decision_id)
order by u.decision_id, u.slack, u.kind, u.name

-- Each rebalance of the main cell: universe in and out, regime, engine, solver, least slack.
with universe as (
    select
        sleeve, window_ordinal,
        count(*) as symbols,
        count(*) filter (where is_selected) as selected,
        count(*) filter (where is_vetoed) as vetoed
    from meta.fct_selections
    where run_id = $run_id
    group by sleeve, window_ordinal
),

slack as (
    select
        decision_id,
        min(slack) as least_slack,
        count(*) filter (where is_binding) as binding,
        count(*) filter (where is_breached) as breached
    from metrics.fct_cap_usage
    where run_id = $run_id
    group by decision_id
)

select
    s.window_ordinal, s.as_of_date, u.symbols, u.selected, u.vetoed, s.regime, s.actual_engine,
    s.actual_risk_profile, s.solver_status, s.fallback_count, s.cap_rule, s.weight_count,
    k.binding, k.breached, k.least_slack, s.record_seq, s.record_hash
from health.fct_solver_outcomes as s
left join universe as u on s.sleeve = u.sleeve and s.window_ordinal = u.window_ordinal
left join slack as k on s.decision_id = k.decision_id
where
    s.run_id = $run_id and s.sleeve = $sleeve and s.engine = $engine
    and s.risk_profile = $risk_profile
order by s.window_ordinal, s.record_seq

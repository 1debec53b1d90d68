-- The counts that the verdicts rest on, all for this run.
select
    (select count(*) from health.fct_intents where run_id = $run_id) as intents,
    (
        select count(*) from health.fct_intents
        where run_id = $run_id and pairing = 'orphan'
    ) as orphans,
    (select count(*) from health.fct_intents where run_id = $run_id and pairing = 'open') as open,
    (
        select count(*) from health.fct_intents
        where run_id = $run_id and outcome_status in ('failed', 'aborted')
    ) as unsuccessful,
    (select count(*) from health.fct_asset_health where run_id = $run_id) as health_checks,
    (
        select count(*) from health.fct_asset_health
        where run_id = $run_id and status not in ('ok', 'closed')
    ) as unhealthy,
    (
        select count(distinct decision_id) from health.fct_asset_health
        where run_id = $run_id and gate <> 'open'
    ) as closed_gates,
    (select count(*) from metrics.fct_cap_usage where run_id = $run_id) as limit_checks,
    (
        select count(*) from metrics.fct_cap_usage where run_id = $run_id and is_breached
    ) as breaches,
    (
        select count(*) from health.fct_solver_outcomes where run_id = $run_id
    ) as solves,
    (
        select count(*) from health.fct_solver_outcomes
        where run_id = $run_id and outcome_status = 'ok' and cap_rule <> 'none'
    ) as relaxed,
    (
        select count(*) from health.fct_findings where run_id = $run_id
    ) as findings,
    (select count(*) from metrics.fct_metric_checks where run_id = $run_id) as metric_checks,
    (
        select count(*) from metrics.fct_metric_checks where run_id = $run_id and not is_equal
    ) as metric_differences

-- The last successful optimisation of each cell.
select
    decision_id, sleeve, engine, risk_profile, window_ordinal, as_of_date, actual_engine,
    actual_risk_profile, solver_status, objective, iterations, largest_residual, regime, cap_rule,
    symbol_cap, cluster_cap, symbol_cap_requested, cluster_cap_requested, cash_weight,
    fallback_count, dropped_count, record_seq, record_hash
from health.fct_solver_outcomes
where run_id = $run_id and outcome_status = 'ok'
qualify
    row_number() over (
        partition by sleeve, engine, risk_profile order by window_ordinal desc, record_seq desc
    ) = 1
order by record_seq

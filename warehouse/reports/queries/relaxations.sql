-- Caps that were raised, or left cash, because they could not sum to 1.
select
    sleeve, engine, risk_profile, regime, cap_rule, symbol_cap_requested, symbol_cap,
    cluster_cap_requested, cluster_cap,
    count(*) as decisions,
    min(as_of_date) as first_date,
    max(as_of_date) as last_date,
    max(cash_weight) as most_cash,
    min(record_seq) as record_seq,
    arg_min(record_hash, record_seq) as record_hash
from health.fct_solver_outcomes
where run_id = $run_id and outcome_status = 'ok' and cap_rule <> 'none'
group by
    sleeve, engine, risk_profile, regime, cap_rule, symbol_cap_requested, symbol_cap,
    cluster_cap_requested, cluster_cap
order by min(record_seq)

select
    as_of_date,
    sleeve,
    engine,
    risk_profile,
    kind,
    name,
    value,
    threshold,
    excess,
    regime,
    cap_rule,
    requested_threshold,
    case when is_breached then 'cap in force' else 'cap asked for, relaxed' end as breach,
    decision_id,
    record_seq,
    record_hash
from metrics.fct_cap_usage
where
    kind = coalesce($kind, 'cluster_cap')
    and (is_breached or value > requested_threshold + 1e-6)
    and ($run_id is null or run_id = $run_id)
order by as_of_date, decision_id, name

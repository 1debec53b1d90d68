-- Every limit of the run that was exceeded.
select
    sleeve, engine, risk_profile, window_ordinal, as_of_date, kind, name, value, threshold, excess,
    regime, cap_rule, record_seq, record_hash
from metrics.fct_cap_usage
where run_id = $run_id and is_breached
order by record_seq, kind, name

-- Attempts that failed before the solve that was used, by reason.
select
    sleeve, engine, risk_profile, tried_engine, tried_risk_profile, tried_status, reason,
    actual_engine, actual_risk_profile,
    count(*) as decisions,
    min(as_of_date) as first_date,
    max(as_of_date) as last_date,
    min(record_seq) as record_seq,
    arg_min(record_hash, record_seq) as record_hash
from health.fct_fallbacks
where run_id = $run_id
group by
    sleeve, engine, risk_profile, tried_engine, tried_risk_profile, tried_status, reason,
    actual_engine, actual_risk_profile
order by min(record_seq), tried_engine, tried_risk_profile

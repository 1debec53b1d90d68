select
    solved.as_of_date,
    solved.sleeve,
    solved.engine as requested_engine,
    solved.risk_profile as requested_risk_profile,
    solved.actual_engine,
    solved.actual_risk_profile,
    fallbacks.attempt_number,
    fallbacks.tried_engine,
    fallbacks.tried_risk_profile,
    fallbacks.tried_status,
    fallbacks.reason,
    solved.regime,
    solved.decision_id,
    solved.record_seq,
    solved.record_hash
from health.fct_solver_outcomes as solved
left join health.fct_fallbacks as fallbacks
    on solved.record_seq = fallbacks.record_seq
where solved.is_fallback and ($run_id is null or solved.run_id = $run_id)
order by solved.record_seq, fallbacks.attempt_number

-- The last decisions of the run.
select
    decision_id, step, sleeve, engine, risk_profile, window_ordinal, as_of_date, outcome_status,
    decided_at, result_sha256, outcome_seq, outcome_hash
from health.fct_intents
where run_id = $run_id and outcome_seq is not null
order by outcome_seq desc
limit $most

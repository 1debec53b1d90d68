-- Decisions that failed, were aborted, or have no outcome, those of this run first.
select
    run_id, decision_id, step, sleeve, engine, risk_profile, pairing, outcome_status, is_superseded,
    error_code, error_what, intended_at, record_seq, record_hash
from health.fct_intents
where pairing <> 'paired' or outcome_status <> 'ok'
order by run_id <> $run_id, record_seq

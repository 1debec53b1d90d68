-- Decisions that failed, were aborted, or have no outcome, those of this run first. A build that is
-- still open is the one that made these marts.
select
    run_id, decision_id, step, sleeve, engine, risk_profile, pairing, outcome_status, is_superseded,
    error_code, error_what, intended_at, record_seq, record_hash
from health.fct_intents
where
    (pairing <> 'paired' or outcome_status <> 'ok')
    and not (step = 'build' and pairing = 'open')
order by run_id <> $run_id, record_seq

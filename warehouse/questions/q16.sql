select
    verdicts.run_id,
    verdicts.profile,
    verdicts.actor,
    verdicts.opened_at,
    verdicts.gate,
    verdicts.digest,
    verdicts.status as recorded_status,
    verdicts.decided_by,
    verdicts.found_status,
    runs.intent_count as decisions,
    verdicts.record_seq,
    verdicts.record_hash
from meta.fct_gate_verdicts as verdicts
inner join meta.dim_runs as runs
    on verdicts.run_id = runs.run_id
where
    verdicts.gate = coalesce($gate, 'manifest')
    and verdicts.found_status <> 'passed'
    -- A run that was refused used nothing.
    and runs.intent_count > 0
order by verdicts.record_seq

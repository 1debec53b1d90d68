-- Gates of live runs opened in the period: what was recorded, and what the approvals say today.
select
    run_id, profile, actor, opened_at, gate, status, found_status, found_approved_by, record_seq,
    record_hash
from meta.fct_gate_verdicts
where cast(opened_at as date) between cast($first as date) and cast($last as date)
order by record_seq, gate

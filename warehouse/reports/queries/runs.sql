-- Every run of the ledger, newest first.
select
    run_id, kind, profile, is_dirty, close_status, opened_at, intent_count, outcome_count,
    record_seq, record_hash
from meta.dim_runs
order by record_seq desc

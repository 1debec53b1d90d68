-- The head that all marts stand on, and what recomputing every hash and link in SQL found.
select
    origin, record_count, through_seq, through_hash, through_at, gap_count, bad_hash_count,
    broken_link_count, backward_time_count, run_count, unclosed_run_count, intent_count,
    outcome_count, unpaired_intent_count, orphan_intent_count, checkpoint_size,
    checkpoint_root, wrong_root_count, uncovered_record_count, is_intact, record_seq, record_hash
from health.fct_ledger_integrity
order by integrity_id

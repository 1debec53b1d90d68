-- What the run recorded about itself when it opened and closed.
select
    run_id, kind, profile, sleeves, manifest_sha256, seed, commit_sha, is_dirty, diff_sha256,
    untracked, lock_sha256, python, platform, processor, blas, threads, actor, opened_at,
    closed_at, close_status, error, intent_count, outcome_count, recorded_intent_count,
    recorded_outcome_count, first_seq, last_seq, record_seq, record_hash
from meta.dim_runs
where run_id = $run_id
order by record_seq

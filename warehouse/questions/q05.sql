select
    run_id,
    kind,
    profile,
    opened_at,
    commit_sha,
    intent_count as decisions,
    diff_sha256 is not null as is_diff_preserved,
    diff_sha256,
    untracked,
    close_status,
    record_seq,
    record_hash
from meta.dim_runs
where is_dirty
order by record_seq

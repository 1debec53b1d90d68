-- Runs made with uncommitted changes, or that did not close well.
select
    run_id, kind, is_dirty, diff_sha256, untracked, close_status, error, record_seq, record_hash
from meta.dim_runs
where is_dirty or close_status <> 'ok'
order by run_id <> $run_id, record_seq

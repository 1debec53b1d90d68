select
    gaps.run_id,
    runs.kind,
    gaps.gap_rank,
    gaps.seconds / 60 as minutes,
    gaps.previous_at,
    gaps.recorded_at,
    gaps.previous_seq,
    gaps.record_seq,
    gaps.record_hash
from health.fct_recording_gaps as gaps
left join meta.dim_runs as runs
    on gaps.run_id = runs.run_id
where
    gaps.seconds >= 60 * coalesce($minutes, 1)
    and ($run_id is null or gaps.run_id = $run_id)
order by gaps.seconds desc, gaps.record_seq

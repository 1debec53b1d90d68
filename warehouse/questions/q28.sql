select
    date_trunc('hour', cast(rtrim(ts, 'Z') as timestamp)) as hour,
    actor,
    run_id,
    type,
    step,
    status,
    count(*) as records,
    min(ts) as first_at,
    max(ts) as last_at,
    min(seq) as first_seq,
    max(seq) as last_seq,
    max_by(hash, seq) as last_hash
from raw.records
where
    ($actor is null or actor = $actor)
    and ($run_id is null or run_id = $run_id)
    and ($first_day is null or ts >= cast(cast($first_day as date) as varchar))
    and ($last_day is null or ts < cast(cast($last_day as date) + 1 as varchar))
group by hour, actor, run_id, type, step, status
order by first_seq

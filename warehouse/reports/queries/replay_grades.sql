-- Replays recorded in the period, by run of replays and verdict.
select
    p.run_id, r.opened_at, r.actor, p.verdict,
    count(*) as replays,
    count(distinct p.decision_id) as decisions,
    min(p.record_seq) as record_seq,
    arg_min(p.record_hash, p.record_seq) as record_hash
from meta.fct_replays as p
left join meta.dim_runs as r on p.run_id = r.run_id
where
    coalesce(cast(r.opened_at as date), cast($first as date))
    between cast($first as date) and cast($last as date)
group by p.run_id, r.opened_at, r.actor, p.verdict
order by min(p.record_seq), p.verdict

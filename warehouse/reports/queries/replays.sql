-- Decisions of this run that were replayed, by verdict.
select
    r.verdict,
    count(distinct r.decision_id) as decisions,
    count(*) as replays,
    min(r.record_seq) as record_seq,
    arg_min(r.record_hash, r.record_seq) as record_hash
from meta.fct_replays as r
inner join health.fct_intents as i on r.decision_id = i.decision_id
where i.run_id = $run_id
group by r.verdict
order by r.verdict

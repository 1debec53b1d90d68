-- Replays that did not give the same bytes, those of decisions of this run first.
select
    i.run_id as decided_in, r.decision_id, r.verdict, r.first_difference, r.expected_sha256,
    r.found_sha256, r.environment_differences, r.record_seq, r.record_hash
from meta.fct_replays as r
left join health.fct_intents as i on r.decision_id = i.decision_id
where r.verdict <> 'exact'
order by i.run_id is distinct from $run_id, r.record_seq, r.decision_id

-- Decisions of this run by step and status of their outcome.
select
    step,
    count(*) as intents,
    count(*) filter (where outcome_status = 'ok') as ok,
    count(*) filter (where outcome_status = 'failed') as failed,
    count(*) filter (where outcome_status = 'aborted') as aborted,
    count(*) filter (where pairing = 'open') as open,
    count(*) filter (where pairing = 'orphan') as orphan,
    count(distinct sleeve) as sleeves,
    count(distinct window_ordinal) as windows,
    min(record_seq) as record_seq,
    arg_min(record_hash, record_seq) as record_hash
from health.fct_intents
where run_id = $run_id
group by step
order by min(record_seq)

-- The longest pauses between the records of a run that began in the period.
select
    run_id, seconds, previous_at, recorded_at, previous_seq, record_seq, record_hash
from health.fct_recording_gaps
where cast(recorded_at as date) between cast($first as date) and cast($last as date)
order by seconds desc, record_seq
limit 10

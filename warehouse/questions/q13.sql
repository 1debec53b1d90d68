select
    intents.decision_id,
    intents.step,
    intents.sleeve,
    intents.as_of_date,
    case
        when intents.pairing = 'repeated' then 'an earlier intent has the same id'
        when intents.pairing = 'orphan' then 'the run was closed without it'
        when intents.pairing = 'open' then 'the run is not closed: it died, or still runs'
        else 'the process died; a later run wrote the outcome'
    end as state,
    intents.error_what,
    intents.intended_at,
    runs.close_status as run_status,
    intents.run_id,
    intents.record_seq,
    intents.record_hash
from health.fct_intents as intents
left join meta.dim_runs as runs
    on intents.run_id = runs.run_id
where
    (intents.pairing != 'paired' or intents.outcome_status = 'aborted')
    and ($run_id is null or intents.run_id = $run_id)
order by intents.record_seq

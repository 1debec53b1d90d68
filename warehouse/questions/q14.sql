with replayed as (
    select
        decision_id,
        count(*) as replays,
        max_by(verdict, record_seq) as verdict,
        arg_max_null(first_difference, record_seq) as first_difference,
        max(record_seq) as replay_seq,
        max_by(record_hash, record_seq) as replay_hash
    from meta.fct_replays
    group by decision_id
),

judged as (
    select
        coalesce(replayed.verdict, 'never') as verdict,
        intents.decision_id,
        intents.step,
        replayed.replays,
        replayed.first_difference,
        replayed.replay_seq,
        replayed.replay_hash,
        intents.run_id,
        intents.outcome_seq,
        intents.outcome_hash
    from health.fct_intents as intents
    left join replayed
        on intents.decision_id = replayed.decision_id
    where
        intents.outcome_status = 'ok'
        and intents.step not in ('replay', 'certify', 'build')
        and ($run_id is null or intents.run_id = $run_id)
)

select
    verdict,
    count(*) over (partition by verdict) as decisions_with_verdict,
    decision_id,
    step,
    coalesce(replays, 0) as replays,
    first_difference,
    replay_seq,
    replay_hash,
    outcome_seq,
    outcome_hash
from judged
where $verdict is null or verdict = $verdict
order by
    case verdict when 'never' then 2 when 'exact' then 1 else 0 end,
    outcome_seq

with

intents as (

    select
        stage,
        engine,
        risk_profile,
        decision_id,
        run_id,
        sleeve,
        params_sha256,
        outcome_status,
        intended_at,
        record_seq,
        record_hash
    from {{ ref('int_intents_paired_with_outcomes') }}
    where step = 'optimize' and is_first

),

replays as (

    select
        decision_id,
        count(*) as replay_count,
        count(*) filter (where verdict in ('exact', 'within_tolerance')) as confirmed_count
    from {{ ref('fct_replays') }}
    group by decision_id

),

final as (

    select
        intents.stage || '.' || coalesce(intents.engine, '') || '.'
        || coalesce(intents.risk_profile, '') as model_id,
        intents.stage,
        intents.engine,
        intents.risk_profile,
        count(distinct intents.run_id) as run_count,
        count(distinct intents.sleeve) as sleeve_count,
        count(distinct intents.params_sha256) as parameter_set_count,
        count(*) as decision_count,
        count(*) filter (where intents.outcome_status = 'failed') as failed_count,
        cast(coalesce(sum(replays.replay_count), 0) as bigint) as replay_count,
        cast(coalesce(sum(replays.confirmed_count), 0) as bigint) as confirmed_count,
        min_by(intents.intended_at, intents.record_seq) as first_used_at,
        max_by(intents.intended_at, intents.record_seq) as last_used_at,
        max_by(intents.run_id, intents.record_seq) as last_run_id,
        min(intents.record_seq) as record_seq,
        min_by(intents.record_hash, intents.record_seq) as record_hash,
        min_by(intents.run_id, intents.record_seq) as run_id
    from intents
    left join replays
        on intents.decision_id = replays.decision_id
    group by intents.stage, intents.engine, intents.risk_profile

)

select * from final

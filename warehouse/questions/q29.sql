with solved as (
    select
        run_id,
        sleeve,
        engine,
        risk_profile,
        count(*) as windows,
        count(*) filter (where is_fallback) as windows_fallen_back,
        count(*) filter (where outcome_status != 'ok') as windows_failed
    from health.fct_solver_outcomes
    group by run_id, sleeve, engine, risk_profile
),

replayed as (
    select
        intents.run_id,
        intents.sleeve,
        intents.engine,
        intents.risk_profile,
        count(*) as replays,
        count(*) filter (where replays.verdict = 'exact') as replays_exact
    from meta.fct_replays as replays
    inner join health.fct_intents as intents
        on replays.decision_id = intents.decision_id and intents.pairing = 'paired'
    where intents.engine is not null
    group by intents.run_id, intents.sleeve, intents.engine, intents.risk_profile
)

select
    members.decision_id as composed_by,
    members.sleeve,
    members.is_dropped,
    members.requested_engine || '.' || members.requested_risk_profile as requested,
    members.used_engine || '.' || members.used_risk_profile as used,
    members.is_proxy,
    members.reason,
    solved.windows,
    solved.windows_fallen_back,
    solved.windows_failed,
    upstreams.upstream_decision_id as series,
    upstreams.is_match as is_series_unchanged,
    coalesce(replayed.replays, 0) as replays,
    coalesce(replayed.replays_exact, 0) as replays_exact,
    members.record_seq,
    members.record_hash
from meta.bdg_sleeves as members
left join solved
    on
        members.run_id = solved.run_id
        and members.sleeve = solved.sleeve
        and members.used_engine = solved.engine
        and members.used_risk_profile = solved.risk_profile
left join replayed
    on
        members.run_id = replayed.run_id
        and members.sleeve = replayed.sleeve
        and members.used_engine = replayed.engine
        and members.used_risk_profile = replayed.risk_profile
left join meta.bdg_decision_upstreams as upstreams
    on
        members.decision_id = upstreams.decision_id
        and upstreams.upstream_decision_id like (
            '%/simulate/' || members.sleeve || '.' || members.used_engine || '.'
            || members.used_risk_profile || '.%'
        )
where $run_id is null or members.run_id = $run_id
order by members.record_seq, members.sleeve

-- Everything that deviated, of the whole ledger, with what became of it and who recorded it.
with days as (
    select cast($first as date) as first_day, cast($last as date) as last_day
),

events as (
    select
        'rule broken' as kind, rule || ' ' || coalesce(subject, '') as subject,
        coalesce(detail, '') as detail, null as disposition, run_id, record_seq, record_hash
    from health.fct_findings
    union all
    select
        'limit exceeded', kind || ' ' || name || ' in ' || decision_id,
        'value ' || round(value, 6) || ', limit ' || round(threshold, 6) || ', regime '
        || coalesce(regime, 'none') || ', cap rule ' || coalesce(cap_rule, 'none'),
        null, run_id, record_seq, record_hash
    from metrics.fct_cap_usage
    where is_breached
    union all
    select
        'decision ' || case when pairing = 'paired' then outcome_status else pairing end,
        decision_id, coalesce(error_code || ' ' || error_what, ''),
        case when is_superseded then 'repeated later with an outcome' end,
        run_id, record_seq, record_hash
    from health.fct_intents
    where pairing <> 'paired' or outcome_status <> 'ok'
    union all
    select
        'fallback', decision_id,
        tried_engine || ' ' || tried_risk_profile || ': ' || coalesce(reason, ''),
        'solved by ' || actual_engine || ' ' || actual_risk_profile,
        run_id, record_seq, record_hash
    from health.fct_fallbacks
    union all
    select
        case when is_dirty then 'uncommitted changes' else 'run ended badly' end, run_id,
        'closed as ' || close_status,
        case when diff_sha256 is not null then 'the difference is kept as a blob' end,
        run_id, record_seq, record_hash
    from meta.dim_runs
    where is_dirty or close_status not in ('ok', 'open')
    union all
    select
        'replay ' || verdict, decision_id, coalesce(first_difference, ''),
        null, run_id, record_seq, record_hash
    from meta.fct_replays
    where verdict not in ('exact', 'within_tolerance')
    union all
    select
        action, coalesce(gate, person, ''), coalesce(reason, ''),
        case
            when ended_seq is not null then 'ended by record ' || ended_seq
            when until_at is not null then 'until ' || until_at
        end,
        run_id, record_seq, record_hash
    from meta.fct_approvals
    where action in ('override', 'halt')
    union all
    select
        'gate ' || found_status, gate || ' of ' || coalesce(run_id, ''),
        'recorded as ' || coalesce(status, 'nothing'), null, run_id, record_seq, record_hash
    from meta.fct_gate_verdicts
    where found_status <> 'passed' or status is distinct from found_status
    union all
    select
        type, coalesce(id, ''), coalesce(step, ''), null, run_id, seq, hash
    from raw.records
    where type in ('redaction', 'recovery')
)

select
    e.kind, e.subject, e.detail, e.disposition, r.actor as owner, r.ts as recorded, e.run_id,
    e.record_seq, e.record_hash
from events as e
inner join raw.records as r on e.record_seq = r.seq
cross join days
where
    r.seq <= (select h.through_seq from raw.head as h)
    and (
        cast(left(r.ts, 10) as date) between days.first_day and days.last_day
        or e.kind in ('limit exceeded', 'fallback') or starts_with(e.kind, 'decision ')
    )
order by e.disposition is not null, e.record_seq, e.kind, e.subject, e.detail

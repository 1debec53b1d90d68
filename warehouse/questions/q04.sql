with recursive wanted as (
    select coalesce(
        cast($as_of as date),
        (select max(as_of_date) from health.fct_intents where step = 'optimize' and pairing = 'paired')
    ) as day
),

walked as (
    select
        intents.decision_id as weights_of,
        intents.decision_id,
        'weights' as role,
        0 as depth
    from health.fct_intents as intents
    cross join wanted
    where
        intents.step = 'optimize'
        and intents.outcome_status = 'ok'
        and (
            intents.as_of_date = wanted.day
            or wanted.day between intents.test_first_date and intents.test_last_date
        )
        and ($run_id is null or intents.run_id = $run_id)
        and ($sleeve is null or intents.sleeve = $sleeve)
    union
    select
        walked.weights_of,
        upstreams.upstream_decision_id as decision_id,
        upstreams.role,
        walked.depth + 1 as depth
    from walked
    inner join meta.bdg_decision_upstreams as upstreams
        on walked.decision_id = upstreams.decision_id
)

select
    walked.weights_of,
    walked.depth,
    walked.role,
    walked.decision_id,
    intents.stage,
    intents.slice_first_date,
    intents.slice_last_date,
    intents.slice_row_count,
    intents.slice_sha256,
    snapshots.source,
    snapshots.price_field,
    snapshots.recorded_at as snapshot_recorded_at,
    intents.snapshot_sha256,
    intents.result_sha256,
    intents.outcome_seq
from walked
left join health.fct_intents as intents
    on walked.decision_id = intents.decision_id
left join (
    select
        snapshot_sha256,
        min_by(source, record_seq) as source,
        min_by(price_field, record_seq) as price_field,
        min(recorded_at) as recorded_at
    from meta.dim_snapshots
    group by snapshot_sha256
) as snapshots
    on intents.snapshot_sha256 = snapshots.snapshot_sha256
order by walked.weights_of, walked.depth, walked.role

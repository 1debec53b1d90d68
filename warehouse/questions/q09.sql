with recorded as (
    select
        snapshot_sha256,
        min(record_seq) as record_seq
    from meta.dim_snapshots
    group by snapshot_sha256
)

select
    intents.decision_id,
    intents.step,
    intents.as_of_date,
    case
        when intents.test_first_date <= intents.train_last_date then 'test rows overlap train rows'
        when intents.step != 'simulate' and intents.slice_last_date > intents.as_of_date
            then 'rows after the decision date'
        when recorded.record_seq is null then 'snapshot was never recorded'
        else 'snapshot was recorded after the decision'
    end as finding,
    intents.slice_last_date,
    intents.train_last_date,
    intents.test_first_date,
    intents.snapshot_sha256,
    recorded.record_seq as snapshot_record_seq,
    intents.record_seq,
    intents.record_hash
from health.fct_intents as intents
left join recorded
    on intents.snapshot_sha256 = recorded.snapshot_sha256
where
    intents.test_first_date <= intents.train_last_date
    -- A simulation looks at what came after the decision; that is its purpose.
    or (intents.step != 'simulate' and intents.slice_last_date > intents.as_of_date)
    or (
        intents.snapshot_sha256 is not null
        and intents.step not in ('ingest', 'compose')
        and (recorded.record_seq is null or recorded.record_seq > intents.record_seq)
    )
order by intents.record_seq

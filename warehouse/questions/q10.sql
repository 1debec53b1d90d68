with chosen as (
    select *
    from health.fct_intents
    where
        snapshot_sha256 is not null
        and step = 'optimize'
        and decision_id = coalesce(
            $decision_id,
            (
                select max_by(decision_id, record_seq)
                from health.fct_intents
                where snapshot_sha256 is not null and step = 'optimize'
            )
        )
)

select
    chosen.decision_id,
    chosen.as_of_date,
    chosen.intended_at as decided_from,
    snapshots.sleeve,
    snapshots.source,
    snapshots.price_field,
    chosen.slice_first_date,
    chosen.slice_last_date,
    chosen.slice_row_count,
    chosen.slice_column_count,
    chosen.slice_sha256,
    chosen.snapshot_sha256,
    'blobs/sha256/' || chosen.snapshot_sha256[1:2] || '/' || chosen.snapshot_sha256[3:] as blob,
    snapshots.recorded_at as snapshot_recorded_at,
    snapshots.symbols,
    chosen.record_seq,
    chosen.record_hash
from chosen
left join meta.dim_snapshots as snapshots
    on chosen.snapshot_sha256 = snapshots.snapshot_sha256
order by snapshots.record_seq

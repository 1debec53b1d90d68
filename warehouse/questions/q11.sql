with slices as (
    select
        sleeve,
        slice_field,
        slice_first_date,
        slice_last_date,
        slice_column_count,
        slice_sha256,
        min(record_seq) as first_seq,
        max(record_seq) as last_seq,
        min_by(decision_id, record_seq) as first_decision_id,
        count(*) as decisions
    from health.fct_intents
    where slice_sha256 is not null
    group by
        sleeve, slice_field, slice_first_date, slice_last_date, slice_column_count, slice_sha256
)

select
    before.sleeve,
    before.slice_field,
    before.slice_first_date,
    before.slice_last_date,
    before.slice_sha256 as sha256_before,
    after.slice_sha256 as sha256_after,
    before.decisions as decisions_before,
    before.first_decision_id as first_decision_before,
    after.first_decision_id as first_decision_after,
    before.first_seq as record_seq_before,
    after.first_seq as record_seq_after
from slices as before
inner join slices as after
    on
        before.sleeve = after.sleeve
        and before.slice_field = after.slice_field
        and before.slice_first_date = after.slice_first_date
        and before.slice_last_date = after.slice_last_date
        and before.slice_column_count = after.slice_column_count
        and before.slice_sha256 != after.slice_sha256
        and before.first_seq < after.first_seq
order by record_seq_after, record_seq_before

-- Days of the windows of each sleeve: least and most.
select
    sleeve,
    min(day_count) as least,
    max(day_count) as most,
    min(record_seq) as record_seq,
    arg_min(record_hash, record_seq) as record_hash
from (
    select distinct on (sleeve, window_ordinal)
        sleeve, window_ordinal, day_count, record_seq, record_hash
    from metrics.fct_window_metrics
    where run_id = $run_id
    order by sleeve, window_ordinal, record_seq
)
group by sleeve
order by sleeve

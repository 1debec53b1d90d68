-- Walk-forward geometry of each sleeve as recorded in its intents to optimise.
select
    sleeve,
    count(distinct window_ordinal) as windows,
    count(distinct engine || '.' || risk_profile) as cells,
    min(slice_row_count) as train_rows_least,
    max(slice_row_count) as train_rows_most,
    min(train_first_date) as train_first_date,
    min(as_of_date) as first_as_of_date,
    max(as_of_date) as last_as_of_date,
    min(test_first_date) as test_first_date,
    max(test_last_date) as test_last_date,
    min(record_seq) as record_seq,
    arg_min(record_hash, record_seq) as record_hash
from health.fct_intents
where run_id = $run_id and step = 'optimize'
group by sleeve
order by min(record_seq)

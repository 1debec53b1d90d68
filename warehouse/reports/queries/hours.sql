-- Records by hour (UTC).
select
    left(ts, 13) as hour,
    count(*) as records,
    count(distinct run_id) as runs,
    min(seq) as record_seq,
    arg_min(hash, seq) as record_hash
from raw.records
where
    seq <= (select h.through_seq from raw.head as h)
    and cast(left(ts, 10) as date) between cast($first as date) and cast($last as date)
group by all
order by hour

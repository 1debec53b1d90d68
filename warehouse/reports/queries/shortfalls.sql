-- How many windows of the run lost how many basis points to slippage and commission.
select
    cast(floor(least(10000 * cost_total, 50) / 2) * 2 as bigint) as from_bps,
    count(*) as windows,
    min(record_seq) as record_seq,
    arg_min(record_hash, record_seq) as record_hash
from metrics.fct_window_metrics
where run_id = $run_id
group by all
order by from_bps

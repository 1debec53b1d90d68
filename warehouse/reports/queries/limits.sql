-- Limits of every cell of the run: how often binding, how often breached.
select
    sleeve, engine, risk_profile, kind,
    count(*) as checks,
    count(*) filter (where is_binding) as binding,
    count(*) filter (where is_breached) as breached,
    max(excess) as largest_excess,
    min(record_seq) as record_seq,
    arg_min(record_hash, record_seq) as record_hash
from metrics.fct_cap_usage
where run_id = $run_id
group by sleeve, engine, risk_profile, kind
order by min(record_seq), kind

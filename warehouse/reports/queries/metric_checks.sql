-- Recorded metrics against the same metrics computed again in SQL from the daily returns.
select
    sleeve,
    engine,
    risk_profile,
    count(*) as metrics,
    count(*) filter (where is_equal) as equal,
    max(abs(difference)) as largest_difference,
    first(
        basis || ' ' || metric order by abs(difference) desc nulls last, basis, metric
    ) as largest_metric,
    min(record_seq) as record_seq,
    arg_min(record_hash, record_seq) as record_hash
from metrics.fct_metric_checks
where run_id = $run_id
group by sleeve, engine, risk_profile
order by min(record_seq)

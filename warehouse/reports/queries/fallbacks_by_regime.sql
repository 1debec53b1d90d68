-- How often each engine fell back, by regime.
select
    engine, coalesce(regime, 'unknown') as regime,
    count(*) as solves,
    count(*) filter (where is_fallback) as fallbacks,
    count(*) filter (where outcome_status <> 'ok') as failed,
    min(record_seq) as record_seq,
    arg_min(record_hash, record_seq) as record_hash
from health.fct_solver_outcomes
where run_id = $run_id
group by engine, coalesce(regime, 'unknown')
order by engine, regime

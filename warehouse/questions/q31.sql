select
    run_id,
    engine,
    regime,
    decision_count,
    fallback_count,
    fallback_rate,
    infeasible_count,
    infeasible_rate,
    inaccurate_count,
    inaccurate_rate,
    failed_count,
    failed_rate,
    record_seq,
    record_hash
from health.fct_fallback_rates
where $run_id is null or run_id = $run_id
order by run_id, engine, regime

-- Outcomes of the solves of each cell.
select
    sleeve, engine, risk_profile,
    count(*) as solves,
    count(*) filter (where solver_status = 'optimal') as optimal,
    count(*) filter (where solver_status = 'closed_form') as closed_form,
    count(*) filter (where solver_status = 'optimal_inaccurate') as inaccurate,
    count(*) filter (where outcome_status <> 'ok') as failed,
    count(*) filter (where is_fallback) as fallbacks,
    max(iterations) as most_iterations,
    min(record_seq) as record_seq,
    arg_min(record_hash, record_seq) as record_hash
from health.fct_solver_outcomes
where run_id = $run_id
group by sleeve, engine, risk_profile
order by min(record_seq)

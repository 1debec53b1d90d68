-- Weights of the last successful optimisation of each cell.
with newest as (
    select decision_id
    from health.fct_solver_outcomes
    where run_id = $run_id and outcome_status = 'ok'
    qualify
        row_number() over (
            partition by sleeve, engine, risk_profile
            order by window_ordinal desc, record_seq desc
        ) = 1
)

select w.decision_id, w.symbol, w.weight, w.cluster
from metrics.fct_weights as w
inner join newest using (decision_id)
order by w.decision_id, w.weight desc, w.symbol

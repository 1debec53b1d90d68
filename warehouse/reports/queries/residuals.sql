-- The largest value of each residual that a cell recorded, by its name.
with named as (
    select
        sleeve, engine, risk_profile,
        unnest(map_entries(cast(residuals::json as map(varchar, double)))) as residual
    from health.fct_solver_outcomes
    where run_id = $run_id and residuals is not null
)

select
    sleeve, engine, risk_profile, residual.key as name, max(abs(residual.value)) as largest
from named
group by sleeve, engine, risk_profile, residual.key
order by sleeve, engine, risk_profile, residual.key

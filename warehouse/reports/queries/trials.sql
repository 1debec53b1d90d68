-- How many cells were tried: in this run, and in the whole ledger up to the head.
select
    count(*) as trials,
    count(*) filter (where run_id = $run_id) as trials_of_run,
    count(distinct run_id) as runs,
    count(*) filter (where net_sharpe is null) as without_result,
    max(net_sharpe) as best_net_sharpe,
    first(trial_number order by net_sharpe desc nulls last, trial_number) as best_trial_number,
    first(run_id order by net_sharpe desc nulls last, trial_number) as best_run_id,
    first(
        sleeve || '.' || engine || '.' || risk_profile
        order by net_sharpe desc nulls last, trial_number
    ) as best_cell
from meta.fct_trials

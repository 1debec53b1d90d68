-- Scoreboards of tournaments: Sharpe ratio, and what is left of it after the number of trials.
select
    run_id, sleeve, engine, risk_profile, score_rank, trial_count, net_sharpe,
    probabilistic_sharpe, deflated_sharpe, expected_maximum_sharpe, overfitting_probability,
    failure, record_seq, record_hash
from metrics.fct_scores
order by record_seq, score_rank, sleeve, engine, risk_profile

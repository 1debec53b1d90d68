with winners as (
    select
        run_id,
        sleeve,
        max_by(record_seq, net_sharpe) as record_seq,
        count(*) as trials_of_run
    from meta.fct_trials
    group by run_id, sleeve
)

select
    winners.run_id,
    winners.sleeve,
    trials.engine,
    trials.risk_profile,
    trials.net_sharpe,
    winners.trials_of_run,
    trials.trial_number as trials_in_ledger,
    scores.rule,
    scores.score_rank,
    scores.trial_count as trials_of_profile,
    scores.probabilistic_sharpe,
    scores.deflated_sharpe,
    scores.overfitting_probability,
    trials.record_seq,
    trials.record_hash
from winners
inner join meta.fct_trials as trials
    on winners.record_seq = trials.record_seq
left join metrics.fct_scores as scores
    on
        trials.run_id = scores.run_id
        and trials.sleeve = scores.sleeve
        and trials.engine = scores.engine
        and trials.risk_profile = scores.risk_profile
where $run_id is null or winners.run_id = $run_id
order by trials.record_seq

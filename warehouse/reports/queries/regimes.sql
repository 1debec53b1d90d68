-- Regime of every window of the run, with the days it was decided for.
select
    r.sleeve, r.window_ordinal, r.as_of_date, r.regime, r.score,
    i.test_first_date, i.test_last_date, r.record_seq, r.record_hash
from meta.fct_regimes as r
inner join health.fct_intents as i on r.decision_id = i.decision_id
where r.run_id = $run_id and r.window_ordinal is not null
order by r.sleeve, r.window_ordinal

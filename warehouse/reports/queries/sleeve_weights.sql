-- Weights of the sleeves in the meta-portfolio, window by window.
select
    w.window_ordinal, w.as_of_date, i.test_first_date, i.test_last_date, w.symbol, w.weight,
    w.record_seq, w.record_hash
from metrics.fct_weights as w
inner join health.fct_intents as i on w.decision_id = i.decision_id
where w.run_id = $run_id and w.sleeve = 'meta'
order by w.engine, w.risk_profile, w.window_ordinal, w.symbol

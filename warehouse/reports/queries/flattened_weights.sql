-- Weights of the meta-portfolio in physical symbols, window by window.
select
    f.window_ordinal, f.as_of_date, i.test_first_date, i.test_last_date, f.symbol,
    f.net_weight as weight, f.record_seq, f.record_hash
from meta.fct_flattened_weights as f
inner join health.fct_intents as i on f.decision_id = i.decision_id
where
    f.run_id = $run_id and f.sleeve = $sleeve and f.engine = $engine
    and f.risk_profile = $risk_profile
order by f.window_ordinal, f.symbol

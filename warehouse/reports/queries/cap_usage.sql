-- The fullest cap of each kind, window by window, of the cells that the main cell is made of.
with cells as (
    select sleeve, used_engine as engine, used_risk_profile as risk_profile
    from meta.bdg_sleeves
    where run_id = $run_id and not is_dropped
    union
    select $sleeve, $engine, $risk_profile
)

select
    u.sleeve, u.engine, u.risk_profile, u.kind, u.window_ordinal, u.as_of_date,
    i.test_first_date, i.test_last_date,
    first(u.name order by u.usage desc, u.name) as name,
    first(u.value order by u.usage desc, u.name) as value,
    first(u.threshold order by u.usage desc, u.name) as threshold,
    first(u.requested_threshold order by u.usage desc, u.name) as requested_threshold,
    max(u.usage) as usage,
    count(*) as caps,
    count(*) filter (where u.is_binding) as binding,
    count(*) filter (where u.is_breached) as breached,
    any_value(u.regime) as regime,
    any_value(u.cap_rule) as cap_rule,
    any_value(u.record_seq) as record_seq,
    any_value(u.record_hash) as record_hash
from metrics.fct_cap_usage as u
inner join cells using (sleeve, engine, risk_profile)
inner join health.fct_intents as i on u.decision_id = i.decision_id
where u.run_id = $run_id and u.kind in ('cluster_cap', 'symbol_cap')
group by
    u.sleeve, u.engine, u.risk_profile, u.kind, u.window_ordinal, u.as_of_date,
    i.test_first_date, i.test_last_date
order by u.sleeve, u.kind, u.window_ordinal

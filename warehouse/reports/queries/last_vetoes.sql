-- Vetoes of the last selection of each sleeve.
with newest as (
    select sleeve, max(window_ordinal) as window_ordinal
    from meta.fct_vetoes
    where run_id = $run_id
    group by sleeve
)

select
    v.decision_id, v.sleeve, v.window_ordinal, v.as_of_date, v.symbol, v.rule, v.value,
    v.threshold, v.is_passed, v.record_seq, v.record_hash
from meta.fct_vetoes as v
inner join newest using (sleeve, window_ordinal)
where v.run_id = $run_id
order by v.sleeve, v.is_passed, v.symbol, v.rule

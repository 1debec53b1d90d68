-- Every resolved parameter of the run, with the first decision that recorded it.
select
    i.step,
    i.sleeve,
    p.parameter,
    p.value,
    count(*) as decisions,
    min(i.record_seq) as record_seq,
    arg_min(i.record_hash, i.record_seq) as record_hash
from health.fct_intents as i
inner join meta.dim_parameters as p on i.params_sha256 = p.params_sha256 and i.stage = p.stage
where i.run_id = $run_id
group by i.step, i.sleeve, p.parameter, p.value
order by i.step, i.sleeve, p.parameter, p.value

-- What changed from one run of a profile to the next, among runs opened in the period.
select
    c.profile, c.field, c.previous_value, c.value, c.previous_run_id, r.opened_at, c.run_id,
    c.record_seq, c.record_hash
from health.fct_environment_changes as c
inner join meta.dim_runs as r on c.run_id = r.run_id
where cast(r.opened_at as date) between cast($first as date) and cast($last as date)
order by c.record_seq, c.field

-- What differs between the environment of this run and of the run before it.
select previous_run_id, field, previous_value, value, record_seq, record_hash
from health.fct_environment_changes
where run_id = $run_id
order by field

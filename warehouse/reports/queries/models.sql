-- Inventory of models: every stage, engine and risk profile that decided anything.
select
    stage, engine, risk_profile, run_count, parameter_set_count, decision_count, failed_count,
    replay_count, confirmed_count, first_used_at, last_used_at, record_seq, record_hash
from meta.dim_models
order by model_id

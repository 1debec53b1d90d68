with simulated as (
    select
        windows.decision_id,
        windows.sleeve,
        windows.engine,
        windows.risk_profile,
        windows.as_of_date,
        windows.first_date,
        windows.last_date,
        parameters.value as simulator,
        windows.gross_return,
        windows.net_return,
        solved.result_sha256 as weights_sha256,
        windows.record_seq,
        windows.record_hash
    from metrics.fct_window_metrics as windows
    inner join health.fct_intents as intents
        on windows.decision_id = intents.decision_id and intents.pairing = 'paired'
    inner join meta.dim_parameters as parameters
        on
            intents.stage = parameters.stage
            and intents.params_sha256 = parameters.params_sha256
            and parameters.parameter = 'simulator'
    inner join health.fct_intents as solved
        on
            windows.run_id = solved.run_id
            and windows.sleeve = solved.sleeve
            and windows.engine = solved.engine
            and windows.risk_profile = solved.risk_profile
            and windows.as_of_date = solved.as_of_date
            and solved.step = 'optimize'
            and solved.outcome_status = 'ok'
            and not solved.is_superseded
)

select
    one.sleeve,
    one.engine,
    one.risk_profile,
    one.as_of_date,
    one.simulator as simulator_a,
    other.simulator as simulator_b,
    one.net_return as net_return_a,
    other.net_return as net_return_b,
    (other.gross_return - one.gross_return) * 10000 as gross_difference_bps,
    (other.net_return - one.net_return) * 10000 as net_difference_bps,
    (one.gross_return - one.net_return) * 10000 as friction_a_bps,
    (other.gross_return - other.net_return) * 10000 as friction_b_bps,
    abs(other.net_return - one.net_return) * 10000 <= coalesce($parity_bps, 10) as is_in_parity,
    one.record_seq as record_seq_a,
    other.record_seq as record_seq_b,
    one.record_hash as record_hash_a,
    other.record_hash as record_hash_b
from simulated as one
inner join simulated as other
    on
        one.weights_sha256 = other.weights_sha256
        and one.sleeve = other.sleeve
        and one.engine = other.engine
        and one.risk_profile = other.risk_profile
        and one.first_date = other.first_date
        and one.last_date = other.last_date
        and one.simulator < other.simulator
order by one.sleeve, one.engine, one.risk_profile, one.as_of_date, record_seq_a, record_seq_b

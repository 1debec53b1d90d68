with

attempts as (

    select
        record_seq,
        actual_engine,
        actual_risk_profile,
        regime,
        unnest(fallbacks) as attempt,
        generate_subscripts(fallbacks, 1) as attempt_number
    from {{ ref('stg_ledger__optimizations') }}

),

final as (

    select
        attempts.record_seq || '.' || attempts.attempt_number as fallback_id,
        {{ decision_columns() }},
        attempts.attempt_number,
        attempts.attempt.engine as tried_engine,
        attempts.attempt.risk_profile as tried_risk_profile,
        attempts.attempt.status as tried_status,
        attempts.attempt.reason,
        attempts.actual_engine,
        attempts.actual_risk_profile,
        attempts.regime,
        {{ outcome_evidence() }}
    from attempts
    inner join {{ ref('int_decisions_taken') }} as decisions
        on attempts.record_seq = decisions.outcome_seq

)

select * from final

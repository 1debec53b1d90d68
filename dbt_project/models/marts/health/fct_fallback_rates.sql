with

attempts as (

    select
        record_seq,
        count(*) filter (where tried_status = 'infeasible') as infeasible_count
    from {{ ref('fct_fallbacks') }}
    group by record_seq

),

decided as (

    select
        solved.run_id,
        solved.engine,
        -- A failed solve has no caps, but its regime was detected before.
        coalesce(solved.regime, regimes.regime, 'unknown') as regime,
        solved.is_fallback,
        solved.outcome_status != 'ok' as is_failed,
        solved.solver_status = 'optimal_inaccurate' as is_inaccurate,
        coalesce(attempts.infeasible_count, 0) > 0 as is_infeasible,
        solved.record_seq,
        solved.record_hash
    from {{ ref('fct_solver_outcomes') }} as solved
    left join attempts
        on solved.record_seq = attempts.record_seq
    left join {{ ref('fct_regimes') }} as regimes
        on
            solved.run_id = regimes.run_id
            and solved.sleeve = regimes.sleeve
            and solved.as_of_date = regimes.as_of_date

),

counted as (

    select
        run_id,
        engine,
        regime,
        count(*) as decision_count,
        count(*) filter (where is_fallback) as fallback_count,
        count(*) filter (where is_infeasible) as infeasible_count,
        count(*) filter (where is_inaccurate) as inaccurate_count,
        count(*) filter (where is_failed) as failed_count,
        max(record_seq) as record_seq,
        max_by(record_hash, record_seq) as record_hash
    from decided
    group by run_id, engine, regime

),

final as (

    select
        record_seq || '.' || coalesce(engine, '') || '.' || regime as fallback_rate_id,
        engine,
        regime,
        decision_count,
        fallback_count,
        infeasible_count,
        inaccurate_count,
        failed_count,
        fallback_count / decision_count as fallback_rate,
        infeasible_count / decision_count as infeasible_rate,
        inaccurate_count / decision_count as inaccurate_rate,
        failed_count / decision_count as failed_rate,
        record_seq,
        record_hash,
        run_id
    from counted

)

select * from final

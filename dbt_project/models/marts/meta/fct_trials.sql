with

attempts as (

    select
        run_id,
        sleeve,
        engine,
        risk_profile,
        min(record_seq) as record_seq,
        min_by(record_hash, record_seq) as record_hash,
        count(distinct window_ordinal) as window_count,
        count(*) filter (where outcome_status = 'ok' and not is_superseded) as solved_count,
        count(*) filter (where outcome_status = 'failed') as failed_count
    from {{ ref('int_intents_paired_with_outcomes') }}
    where step = 'optimize'
    group by run_id, sleeve, engine, risk_profile

),

fallbacks as (

    select
        run_id,
        sleeve,
        engine,
        risk_profile,
        count(*) filter (where is_fallback) as fallback_count
    from {{ ref('fct_solver_outcomes') }}
    group by run_id, sleeve, engine, risk_profile

),

final as (

    select
        cast(attempts.record_seq as varchar) as trial_id,
        row_number() over (order by attempts.record_seq) as trial_number,
        attempts.sleeve,
        attempts.engine,
        attempts.risk_profile,
        attempts.window_count,
        attempts.solved_count,
        attempts.failed_count,
        coalesce(fallbacks.fallback_count, 0) as fallback_count,
        run_metrics.net_sharpe,
        run_metrics.net_total_return,
        run_metrics.day_count,
        attempts.record_seq,
        attempts.record_hash,
        attempts.run_id
    from attempts
    left join fallbacks
        on
            attempts.run_id = fallbacks.run_id
            and attempts.sleeve = fallbacks.sleeve
            and attempts.engine = fallbacks.engine
            and attempts.risk_profile = fallbacks.risk_profile
    left join {{ ref('fct_run_metrics') }} as run_metrics
        on
            attempts.run_id = run_metrics.run_id
            and attempts.sleeve = run_metrics.sleeve
            and attempts.engine = run_metrics.engine
            and attempts.risk_profile = run_metrics.risk_profile

)

select * from final

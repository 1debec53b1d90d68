with

solved as (

    select
        record_seq,
        actual_engine,
        actual_risk_profile,
        solver_status,
        objective,
        iterations,
        list_max(list_transform(residuals, lambda entry: abs(entry.value))) as largest_residual,
        cast(to_json(map_from_entries(residuals)) as varchar) as residuals,
        regime,
        cap_rule,
        symbol_cap,
        cluster_cap,
        symbol_cap_requested,
        cluster_cap_requested,
        cash_weight,
        cast(len(weights) as bigint) as weight_count,
        list_reduce(
            list_transform(weights, lambda entry: entry.value), lambda total, weight: total + weight, 0.0
        ) + cash_weight as weight_total,
        cast(len(fallbacks) as bigint) as fallback_count,
        -- `adaptive` stands for another risk profile by design.
        actual_engine != requested_engine
        or actual_risk_profile != coalesce(adaptive_risk_profile, requested_risk_profile)
        or len(fallbacks) > 0 as is_fallback,
        adaptive_quadrant,
        adaptive_risk_profile,
        certificate_kind,
        certificate_gap,
        cast(len(dropped) as bigint) as dropped_count
    from {{ ref('stg_ledger__optimizations') }}

),

final as (

    select
        cast(decisions.outcome_seq as varchar) as solver_outcome_id,
        {{ decision_columns() }},
        decisions.outcome_status,
        solved.actual_engine,
        solved.actual_risk_profile,
        coalesce(solved.solver_status, decisions.outcome_status) as solver_status,
        solved.objective,
        solved.iterations,
        solved.largest_residual,
        solved.residuals,
        solved.regime,
        solved.cap_rule,
        solved.symbol_cap,
        solved.cluster_cap,
        solved.symbol_cap_requested,
        solved.cluster_cap_requested,
        solved.cash_weight,
        solved.weight_count,
        solved.weight_total,
        coalesce(solved.fallback_count, 0) as fallback_count,
        coalesce(solved.is_fallback, false) as is_fallback,
        solved.dropped_count,
        solved.adaptive_quadrant,
        solved.adaptive_risk_profile,
        solved.certificate_kind,
        solved.certificate_gap,
        decisions.error_code,
        decisions.error_what,
        {{ outcome_evidence() }}
    from {{ ref('int_intents_paired_with_outcomes') }} as decisions
    left join solved
        on decisions.outcome_seq = solved.record_seq
    where
        decisions.step = 'optimize'
        and decisions.outcome_seq is not null
        and not coalesce(decisions.is_superseded, false)

)

select * from final

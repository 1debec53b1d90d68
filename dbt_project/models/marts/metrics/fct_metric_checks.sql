{% set metrics = [
    'total_return', 'annual_return', 'volatility', 'sharpe', 'sortino', 'calmar', 'max_drawdown',
    'var_95', 'cvar_95',
] %}
with

compared as (

    {% for basis in ['gross', 'net'] %}
    {% for metric in metrics %}
    select
        run_metrics.decision_id,
        '{{ basis }}' as basis,
        '{{ metric }}' as metric,
        run_metrics.{{ basis }}_{{ metric }} as recorded_value,
        recomputed.{{ metric }} as recomputed_value
    from {{ ref('fct_run_metrics') }} as run_metrics
    left join {{ ref('int_metrics_recomputed_from_returns') }} as recomputed
        on run_metrics.decision_id = recomputed.decision_id and recomputed.basis = '{{ basis }}'
    {{ 'union all' if not (loop.last and basis == 'net') }}
    {% endfor %}
    {% endfor %}

),

final as (

    select
        run_metrics.record_seq || '.' || compared.basis
        || '.' || compared.metric as metric_check_id,
        run_metrics.decision_id,
        run_metrics.sleeve,
        run_metrics.engine,
        run_metrics.risk_profile,
        compared.basis,
        compared.metric,
        compared.recorded_value,
        compared.recomputed_value,
        compared.recomputed_value - compared.recorded_value as difference,
        (compared.recorded_value is null and compared.recomputed_value is null)
        or coalesce(
            abs(compared.recomputed_value - compared.recorded_value)
            <= {{ var('recomputation_tolerance') }} * greatest(1.0, abs(compared.recorded_value)),
            false
        ) as is_equal,
        run_metrics.record_seq,
        run_metrics.record_hash,
        run_metrics.run_id
    from compared
    inner join {{ ref('fct_run_metrics') }} as run_metrics
        on compared.decision_id = run_metrics.decision_id

)

select * from final

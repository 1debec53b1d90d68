{{ config(materialized='table', meta={'grows_by': 'record'}) }}
-- A table, because its readers would each parse the same long results again.
with

parsed as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        {% call json_struct('result') %}{
            "as_of": "DATE", "status": "VARCHAR", "objective": "DOUBLE", "iterations": "BIGINT",
            "cash": "DOUBLE", "slice_sha256": "VARCHAR",
            "requested": {"engine": "VARCHAR", "risk_profile": "VARCHAR"},
            "actual": {"engine": "VARCHAR", "risk_profile": "VARCHAR"},
            "adaptive": {"quadrant": "VARCHAR", "risk_profile": "VARCHAR"},
            "certificate": {"kind": "VARCHAR", "gap": "DOUBLE"},
            "residuals": "MAP(VARCHAR, DOUBLE)", "weights": "MAP(VARCHAR, DOUBLE)",
            "caps": {
                "regime": "VARCHAR", "rule": "VARCHAR", "symbol_cap": "DOUBLE",
                "cluster_cap": "DOUBLE", "symbol_cap_requested": "DOUBLE",
                "cluster_cap_requested": "DOUBLE"
            },
            "constraints": [{
                "kind": "VARCHAR", "name": "VARCHAR", "value": "DOUBLE", "limit": "DOUBLE",
                "slack": "DOUBLE", "binding": "BOOLEAN"
            }],
            "dropped": [{"symbol": "VARCHAR", "reason": "VARCHAR"}],
            "fallbacks": [{
                "engine": "VARCHAR", "risk_profile": "VARCHAR", "status": "VARCHAR",
                "reason": "VARCHAR"
            }]
        }{% endcall %} as result
    from {{ ref('stg_ledger__results') }}
    where step = 'optimize'

),

final as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        result.requested.engine as requested_engine,
        result.requested.risk_profile as requested_risk_profile,
        result.actual.engine as actual_engine,
        result.actual.risk_profile as actual_risk_profile,
        result.adaptive.quadrant as adaptive_quadrant,
        result.adaptive.risk_profile as adaptive_risk_profile,
        result.certificate.kind as certificate_kind,
        result.certificate.gap as certificate_gap,
        result.status as solver_status,
        result.objective,
        result.iterations,
        result.cash as cash_weight,
        result.slice_sha256,
        result.caps.regime,
        result.caps.rule as cap_rule,
        result.caps.symbol_cap,
        result.caps.cluster_cap,
        result.caps.symbol_cap_requested,
        result.caps.cluster_cap_requested,
        result.as_of as result_as_of_date,
        {{ map_entries_ordered('result.residuals') }} as residuals,
        {{ map_entries_ordered('result.weights') }} as weights,
        result.constraints,
        result.dropped,
        result.fallbacks
    from parsed

)

select * from final

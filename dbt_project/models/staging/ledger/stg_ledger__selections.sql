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
            "as_of": "DATE", "relaxed": "BIGINT", "clusters_sha256": "VARCHAR",
            "universe": ["VARCHAR"], "selected": ["VARCHAR"],
            "features": [{
                "symbol": "VARCHAR", "momentum": "DOUBLE", "volatility": "DOUBLE",
                "entropy": "DOUBLE", "hurst": "DOUBLE", "efficiency": "DOUBLE"
            }],
            "verdicts": [{
                "symbol": "VARCHAR", "rule": "VARCHAR", "value": "DOUBLE", "limit": "DOUBLE",
                "passed": "BOOLEAN"
            }],
            "scores": [{"symbol": "VARCHAR", "score": "DOUBLE", "rank": "BIGINT"}],
            "clusters": [{"cluster": "BIGINT", "symbols": ["VARCHAR"]}]
        }{% endcall %} as result
    from {{ ref('stg_ledger__results') }}
    where step = 'select'

),

final as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        result.relaxed as relaxed_round,
        result.clusters_sha256,
        result.as_of as result_as_of_date,
        result.universe,
        result.selected,
        result.features,
        result.verdicts,
        result.scores,
        result.clusters
    from parsed

)

select * from final

with

parsed as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        {% call json_struct('result') %}{
            "as_of": "DATE", "regime": "VARCHAR", "score": "DOUBLE", "observations": "BIGINT",
            "components": [{
                "name": "VARCHAR", "value": "DOUBLE", "null_percentile": "DOUBLE",
                "weight": "DOUBLE", "accepted": "BOOLEAN", "note": "VARCHAR"
            }]
        }{% endcall %} as result
    from {{ ref('stg_ledger__results') }}
    where step = 'detect'

),

final as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        result.regime,
        result.score,
        result.observations as observation_count,
        result.as_of as result_as_of_date,
        result.components
    from parsed

)

select * from final

with

parsed as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        {% call json_struct('result') %}{
            "as_of": "DATE", "strict": "BOOLEAN", "gate": "VARCHAR",
            "symbols": [{
                "symbol": "VARCHAR", "status": "VARCHAR", "bars": "BIGINT", "expected": "BIGINT",
                "missing": "BIGINT", "largest_gap": "BIGINT", "tolerated": "BIGINT",
                "last_date": "DATE", "stale": "BIGINT", "deviation": "DOUBLE",
                "largest_return": "DOUBLE", "reasons": ["VARCHAR"]
            }]
        }{% endcall %} as result
    from {{ ref('stg_ledger__results') }}
    where step = 'assess'

),

final as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        result.gate,
        result.strict as is_strict,
        result.as_of as result_as_of_date,
        result.symbols
    from parsed

)

select * from final

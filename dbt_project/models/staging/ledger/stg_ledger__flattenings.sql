with

parsed as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        {% call json_struct('result') %}{
            "as_of": "DATE", "cash": "DOUBLE", "net_total": "DOUBLE", "gross_total": "DOUBLE",
            "net_expected": "DOUBLE", "gross_expected": "DOUBLE", "conserved": "BOOLEAN",
            "weights": [{
                "symbol": "VARCHAR", "net": "DOUBLE", "gross": "DOUBLE",
                "paths": [{"sleeve": "VARCHAR", "sleeve_weight": "DOUBLE", "weight": "DOUBLE"}]
            }]
        }{% endcall %} as result
    from {{ ref('stg_ledger__results') }}
    where step = 'flatten'

),

final as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        result.cash as cash_weight,
        result.net_total,
        result.gross_total,
        result.net_expected,
        result.gross_expected,
        result.conserved as is_conserved,
        result.as_of as result_as_of_date,
        result.weights
    from parsed

)

select * from final

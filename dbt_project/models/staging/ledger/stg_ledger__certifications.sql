with

parsed as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        {% call json_struct('result') %}{
            "verdicts": [{
                "decision_id": "VARCHAR", "cell": "VARCHAR", "verdict": "VARCHAR",
                "kind": "VARCHAR", "reason": "VARCHAR"
            }]
        }{% endcall %} as result
    from {{ ref('stg_ledger__results') }}
    where step = 'certify'

),

final as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        result.verdicts
    from parsed

)

select * from final

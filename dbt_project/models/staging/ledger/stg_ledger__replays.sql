with

parsed as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        {% call json_struct('result') %}{
            "environment_differences": "JSON",
            "verdicts": [{
                "decision_id": "VARCHAR", "verdict": "VARCHAR", "first_difference": "VARCHAR",
                "expected_sha256": "VARCHAR", "found_sha256": "VARCHAR"
            }]
        }{% endcall %} as result
    from {{ ref('stg_ledger__results') }}
    where step = 'replay'

),

final as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        result.environment_differences,
        result.verdicts
    from parsed

)

select * from final

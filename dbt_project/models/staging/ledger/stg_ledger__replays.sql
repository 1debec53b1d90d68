with

parsed as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        {% call json_struct('result') %}{
            "decision_id": "VARCHAR", "verdict": "VARCHAR", "first_difference": "VARCHAR",
            "expected_sha256": "VARCHAR", "found_sha256": "VARCHAR",
            "environment_differences": "JSON"
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
        result.decision_id as replayed_decision_id,
        result.verdict,
        result.first_difference,
        result.expected_sha256,
        result.found_sha256,
        result.environment_differences
    from parsed

)

select * from final

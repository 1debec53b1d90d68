with

parsed as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        {% call json_struct('result') %}{
            "through_seq": "BIGINT", "through_hash": "VARCHAR",
            "marts": [{"name": "VARCHAR", "rows": "BIGINT", "sha256": "VARCHAR"}]
        }{% endcall %} as result
    from {{ ref('stg_ledger__results') }}
    where step = 'build'

),

final as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        result.through_seq,
        result.through_hash,
        result.marts
    from parsed

)

select * from final

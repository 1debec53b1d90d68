with

parsed as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        {% call json_struct('result') %}{
            "calendar": "VARCHAR", "logical_sha256": "VARCHAR", "periods_per_year": "BIGINT",
            "rows": "BIGINT", "first_date": "DATE", "last_date": "DATE",
            "sleeves": [{
                "sleeve": "VARCHAR", "proxy": "BOOLEAN", "reason": "VARCHAR",
                "requested": {"engine": "VARCHAR", "risk_profile": "VARCHAR"},
                "used": {"engine": "VARCHAR", "risk_profile": "VARCHAR"}
            }],
            "dropped": [{"sleeve": "VARCHAR", "reason": "VARCHAR"}]
        }{% endcall %} as result
    from {{ ref('stg_ledger__results') }}
    where step = 'compose'

),

final as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        result.calendar,
        result.logical_sha256,
        result.periods_per_year,
        result.rows as row_count,
        result.first_date,
        result.last_date,
        result.sleeves,
        result.dropped
    from parsed

)

select * from final

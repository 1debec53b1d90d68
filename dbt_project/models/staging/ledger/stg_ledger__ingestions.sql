with

parsed as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        {% call json_struct('result') %}{
            "source": "VARCHAR", "calendar": "VARCHAR", "price_field": "VARCHAR",
            "logical_sha256": "VARCHAR", "symbols": "JSON", "periods_per_year": "BIGINT",
            "rows": "BIGINT", "bars": "BIGINT", "first_date": "DATE", "last_date": "DATE"
        }{% endcall %} as result
    from {{ ref('stg_ledger__results') }}
    where step = 'ingest'

),

final as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        result.source,
        result.calendar,
        result.price_field,
        result.logical_sha256,
        result.symbols,
        result.periods_per_year,
        result.rows as row_count,
        result.bars as bar_count,
        result.first_date,
        result.last_date
    from parsed

)

select * from final

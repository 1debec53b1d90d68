with

final as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        {{ json_text('result', 'source') }} as source,
        {{ json_text('result', 'calendar') }} as calendar,
        {{ json_text('result', 'price_field') }} as price_field,
        {{ json_text('result', 'logical_sha256') }} as logical_sha256,
        {{ json_part('result', 'symbols') }} as symbols,
        {{ json_count('result', 'periods_per_year') }} as periods_per_year,
        {{ json_count('result', 'rows') }} as row_count,
        {{ json_count('result', 'bars') }} as bar_count,
        {{ json_date('result', 'first_date') }} as first_date,
        {{ json_date('result', 'last_date') }} as last_date
    from {{ ref('stg_ledger__results') }}
    where step = 'ingest'

)

select * from final

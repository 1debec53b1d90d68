with

final as (

    select
        ---------- ids
        record_seq,
        record_hash,
        run_id,
        decision_id,

        ---------- strings
        step,
        status as outcome_status,
        {{ json_text('data', 'result_sha256') }} as result_sha256,
        case
            when json_extract_string(outputs, '$.result') is not null
                then json_extract_string(outputs, '$.result')
            when status = 'ok' then {{ result_hash_of('line') }}
        end as result_sha256_recomputed,
        {{ json_text('outputs', 'snapshot') }} as snapshot_sha256,
        cast(json_extract(data, '$.upstream_sha256') as map(varchar, varchar)) as upstream_sha256,
        {{ json_text('data', 'error.code') }} as error_code,
        {{ json_text('data', 'error.what') }} as error_what,
        {{ json_text('data', 'error.where') }} as error_where,
        {{ json_text('data', 'error.why') }} as error_why,
        {{ json_text('data', 'error.fix') }} as error_fix,

        ---------- numerics
        {{ json_number('data', 'observed.seconds') }} as observed_seconds,

        ---------- timestamps
        recorded_at as decided_at
    from {{ ref('stg_ledger__records') }}
    where record_type = 'outcome'

)

select * from final

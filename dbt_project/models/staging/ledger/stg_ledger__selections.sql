with

final as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        {{ json_count('result', 'relaxed') }} as relaxed_round,
        {{ json_text('result', 'clusters_sha256') }} as clusters_sha256,
        {{ json_date('result', 'as_of') }} as result_as_of_date,
        cast(json_extract(result, '$.universe') as varchar[]) as universe,
        cast(json_extract(result, '$.selected') as varchar[]) as selected,
        {{ json_items('result', 'features') }} as features,
        {{ json_items('result', 'verdicts') }} as verdicts,
        {{ json_items('result', 'scores') }} as scores,
        {{ json_items('result', 'clusters') }} as clusters
    from {{ ref('stg_ledger__results') }}
    where step = 'select'

)

select * from final

with

final as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        {{ json_text('result', 'decision_id') }} as replayed_decision_id,
        {{ json_text('result', 'verdict') }} as verdict,
        {{ json_text('result', 'first_difference') }} as first_difference,
        {{ json_text('result', 'expected_sha256') }} as expected_sha256,
        {{ json_text('result', 'found_sha256') }} as found_sha256,
        {{ json_part('result', 'environment_differences') }} as environment_differences
    from {{ ref('stg_ledger__results') }}
    where step = 'replay'

)

select * from final

with

final as (

    select
        ---------- ids
        record_seq,
        record_hash,
        run_id,

        ---------- strings
        status as close_status,
        {{ json_part('data', 'error') }} as error,

        ---------- numerics
        {{ json_count('data', 'intents') }} as recorded_intent_count,
        {{ json_count('data', 'outcomes') }} as recorded_outcome_count,
        {{ json_count('data', 'first_seq') }} as first_seq,
        {{ json_count('data', 'last_seq') }} as last_seq,

        ---------- timestamps
        recorded_at as closed_at
    from {{ ref('stg_ledger__records') }}
    where record_type = 'run' and status != 'open'

)

select * from final

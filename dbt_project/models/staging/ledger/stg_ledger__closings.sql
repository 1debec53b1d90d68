with

parsed as (

    select
        record_seq,
        record_hash,
        run_id,
        status,
        recorded_at,
        {% call json_struct('data') %}{
            "intents": "BIGINT", "outcomes": "BIGINT", "first_seq": "BIGINT", "last_seq": "BIGINT",
            "error": "JSON"
        }{% endcall %} as closing
    from {{ ref('stg_ledger__records') }}
    where record_type = 'run' and status not in ('open', 'redacted')

),

final as (

    select
        ---------- ids
        record_seq,
        record_hash,
        run_id,

        ---------- strings
        status as close_status,
        nullif(cast(closing.error as varchar), 'null') as error,

        ---------- numerics
        closing.intents as recorded_intent_count,
        closing.outcomes as recorded_outcome_count,
        closing.first_seq,
        closing.last_seq,

        ---------- booleans
        row_number() over (partition by run_id order by record_seq) = 1 as is_first,

        ---------- timestamps
        recorded_at as closed_at
    from parsed

)

select * from final

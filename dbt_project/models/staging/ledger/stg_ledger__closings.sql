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

-- A run that was resumed goes on after its closing record.
resumed as (

    select
        run_id,
        max(record_seq) as record_seq
    from {{ ref('stg_ledger__records') }}
    where record_type = 'note' and step = 'resume'
    group by run_id

),

judged as (

    select
        parsed.*,
        coalesce(parsed.record_seq < resumed.record_seq, false) as is_lifted
    from parsed
    left join resumed
        on parsed.run_id = resumed.run_id

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
        is_lifted,
        not is_lifted
        and row_number() over (partition by run_id, is_lifted order by record_seq) = 1 as is_first,

        ---------- timestamps
        recorded_at as closed_at
    from judged

)

select * from final

{{ config(materialized='table') }}
-- A table, because nearly every mart reads it and its JSON is then parsed once.
with

outcomes as (

    select
        *,
        row_number() over (partition by decision_id order by record_seq) as outcome_number,
        count(*) over (partition by decision_id) as outcome_count
    from {{ ref('stg_ledger__outcomes') }}

),

intents as (

    select
        *,
        -- The writer refuses a second intent of one id; a forged one is listed and never joined.
        row_number() over (partition by decision_id order by record_seq) = 1 as is_first
    from {{ ref('stg_ledger__intents') }}

),

paired as (

    select
        intents.*,
        outcomes.record_seq as outcome_seq,
        outcomes.record_hash as outcome_hash,
        outcomes.outcome_status,
        outcomes.result_sha256,
        outcomes.result_sha256_recomputed,
        outcomes.snapshot_sha256 as output_snapshot_sha256,
        outcomes.upstream_sha256,
        coalesce(
            outcomes.result_as_of_date, cast({{ json_text('documents.document', 'as_of') }} as date)
        ) as result_as_of_date,
        outcomes.error_code,
        outcomes.error_what,
        outcomes.error_where,
        outcomes.error_why,
        outcomes.error_fix,
        outcomes.observed_seconds,
        outcomes.decided_at,
        coalesce(outcomes.outcome_count, 0) as outcome_count,
        closings.record_seq is not null as is_run_closed,
        -- The same decision without its attempt.
        regexp_replace(intents.decision_id, '/[0-9]+$', '') as decision_key
    from intents
    left join outcomes
        on
            intents.decision_id = outcomes.decision_id
            and outcomes.outcome_number = 1
            and intents.is_first
    left join {{ ref('stg_ledger__documents') }} as documents
        on outcomes.document_sha256 = documents.document_sha256
    left join {{ ref('stg_ledger__closings') }} as closings
        on intents.run_id = closings.run_id and closings.is_first

),

final as (

    select
        *,
        case
            when not is_first then 'repeated'
            when outcome_seq is not null then 'paired'
            when is_run_closed then 'orphan'
            else 'open'
        end as pairing,
        outcome_status = 'ok' and outcome_seq < max(
            case when outcome_status = 'ok' then outcome_seq end
        ) over (partition by decision_key) as is_superseded
    from paired

)

select * from final

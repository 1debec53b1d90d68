with

final as (

    select
        decision_id,
        run_id,
        step,
        sleeve,
        engine,
        risk_profile,
        window_ordinal,
        as_of_date,
        record_seq as intent_seq,
        outcome_seq,
        outcome_hash,
        -- `compose` makes its snapshot; `ingest` names the one it describes.
        coalesce(output_snapshot_sha256, snapshot_sha256) as described_snapshot_sha256,
        result_sha256,
        decided_at
    from {{ ref('int_intents_paired_with_outcomes') }}
    where outcome_status = 'ok' and not is_superseded

)

select * from final

with

final as (

    select
        cast(record_seq as varchar) as intent_id,
        decision_id,
        sleeve,
        engine,
        risk_profile,
        window_ordinal,
        as_of_date,
        step,
        stage,
        seed,
        pairing,
        outcome_status,
        outcome_count,
        coalesce(is_superseded, false) as is_superseded,
        train_first_date,
        train_last_date,
        test_first_date,
        test_last_date,
        snapshot_sha256,
        slice_field,
        slice_first_date,
        slice_last_date,
        slice_row_count,
        slice_column_count,
        slice_sha256,
        params_sha256,
        result_sha256,
        result_sha256_recomputed,
        error_code,
        error_what,
        error_where,
        error_why,
        error_fix,
        observed_seconds,
        intended_at,
        decided_at,
        outcome_seq,
        outcome_hash,
        record_seq,
        record_hash,
        run_id
    from {{ ref('int_intents_paired_with_outcomes') }}

)

select * from final

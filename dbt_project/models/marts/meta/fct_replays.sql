with

final as (

    select
        cast(replays.record_seq as varchar) as replay_id,
        replays.replayed_decision_id as decision_id,
        replayed.step,
        replayed.sleeve,
        replayed.engine,
        replayed.risk_profile,
        replayed.window_ordinal,
        replays.verdict,
        replays.first_difference,
        replays.expected_sha256,
        replays.found_sha256,
        cast(replays.environment_differences as varchar) as environment_differences,
        replays.record_seq,
        replays.record_hash,
        replays.run_id
    from {{ ref('stg_ledger__replays') }} as replays
    left join {{ ref('int_intents_paired_with_outcomes') }} as replayed
        on replays.replayed_decision_id = replayed.decision_id and replayed.is_first

)

select * from final

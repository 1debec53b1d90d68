with

replays as (

    select
        record_seq,
        record_hash,
        run_id,
        environment_differences,
        unnest(verdicts) as replay,
        generate_subscripts(verdicts, 1) as position
    from {{ ref('stg_ledger__replays') }}

),

final as (

    select
        replays.record_seq || '.' || replays.position as replay_id,
        replays.replay.decision_id,
        replayed.step,
        replayed.sleeve,
        replayed.engine,
        replayed.risk_profile,
        replayed.window_ordinal,
        replays.replay.verdict,
        replays.replay.first_difference,
        replays.replay.expected_sha256,
        replays.replay.found_sha256,
        cast(replays.environment_differences as varchar) as environment_differences,
        replays.record_seq,
        replays.record_hash,
        replays.run_id
    from replays
    left join {{ ref('int_intents_paired_with_outcomes') }} as replayed
        on replays.replay.decision_id = replayed.decision_id and replayed.is_first

)

select * from final

with

chain as (

    select
        count(*) as record_count,
        max(record_seq) as through_seq,
        max_by(record_hash, record_seq) as through_hash,
        arg_max_null(run_id, record_seq) as run_id,
        max_by(recorded_at, record_seq) as through_at,
        count(*) filter (where not is_next) as gap_count,
        count(*) filter (where not is_hash_right) as bad_hash_count,
        count(*) filter (where not is_linked) as broken_link_count,
        count(*) filter (where not is_time_forward) as backward_time_count,
        count(*) filter (where record_type = 'outcome') as outcome_count
    from {{ ref('int_records_linked_to_predecessor') }}

),

intents as (

    select
        count(*) as intent_count,
        count(*) filter (where pairing != 'paired') as unpaired_intent_count,
        count(*) filter (where pairing = 'orphan') as orphan_intent_count
    from {{ ref('int_intents_paired_with_outcomes') }}

),

runs as (

    select
        count(*) as run_count,
        count(*) filter (where closings.record_seq is null) as unclosed_run_count
    from {{ ref('stg_ledger__openings') }} as openings
    left join {{ ref('stg_ledger__closings') }} as closings
        on openings.run_id = closings.run_id and closings.is_first
    where openings.is_first

),

genesis as (

    select json_extract_string(data, '$.origin') as origin
    from {{ ref('stg_ledger__custody_records') }}
    where record_type = 'genesis'

),

checkpoints as (

    select
        max(size) as checkpoint_size,
        max_by(root, size) as checkpoint_root,
        count(*) filter (where not is_root_right) as wrong_root_count
    from {{ ref('dim_checkpoints') }}

),

final as (

    select
        cast(chain.through_seq as varchar) as integrity_id,
        genesis.origin,
        chain.record_count,
        chain.through_seq,
        chain.through_hash,
        chain.through_at,
        chain.gap_count,
        chain.bad_hash_count,
        chain.broken_link_count,
        chain.backward_time_count,
        runs.run_count,
        runs.unclosed_run_count,
        intents.intent_count,
        chain.outcome_count,
        intents.unpaired_intent_count,
        intents.orphan_intent_count,
        checkpoints.checkpoint_size,
        checkpoints.checkpoint_root,
        checkpoints.wrong_root_count,
        chain.record_count - coalesce(checkpoints.checkpoint_size, 0) as uncovered_record_count,
        chain.gap_count + chain.bad_hash_count + chain.broken_link_count
        + chain.backward_time_count + checkpoints.wrong_root_count = 0 as is_intact,
        chain.through_seq as record_seq,
        chain.through_hash as record_hash,
        chain.run_id
    from chain
    cross join intents
    cross join runs
    cross join checkpoints
    left join genesis on true

)

select * from final

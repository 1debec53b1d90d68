with

decisions as (

    select
        run_id,
        count(*) filter (where record_type = 'intent') as intent_count,
        count(*) filter (where record_type = 'outcome') as outcome_count
    from {{ ref('stg_ledger__records') }}
    where record_type in ('intent', 'outcome')
    group by run_id

),

final as (

    select
        openings.run_id as run_key,
        openings.kind,
        openings.profile,
        cast(openings.sleeves as varchar) as sleeves,
        openings.manifest_sha256,
        openings.seed,
        openings.commit_sha,
        openings.is_dirty,
        openings.diff_sha256,
        cast(openings.untracked as varchar) as untracked,
        openings.lock_sha256,
        openings.python,
        openings.platform,
        openings.processor,
        cast(openings.blas as varchar) as blas,
        cast(openings.threads as varchar) as threads,
        openings.actor,
        openings.opened_at,
        closings.closed_at,
        coalesce(closings.close_status, 'open') as close_status,
        closings.error,
        coalesce(decisions.intent_count, 0) as intent_count,
        coalesce(decisions.outcome_count, 0) as outcome_count,
        closings.recorded_intent_count,
        closings.recorded_outcome_count,
        closings.first_seq,
        closings.last_seq,
        openings.record_seq,
        openings.record_hash,
        openings.run_id
    from {{ ref('stg_ledger__openings') }} as openings
    left join {{ ref('stg_ledger__closings') }} as closings
        on openings.run_id = closings.run_id and closings.is_first
    left join decisions
        on openings.run_id = decisions.run_id
    where openings.is_first

)

select * from final

-- What each gate of a live run said, beside what the records before it say when they are asked
-- again: a run is live where its verdicts are recorded, or where its manifest says so.
with

runs as (

    select
        openings.record_seq,
        openings.record_hash,
        openings.run_id,
        openings.profile,
        openings.actor,
        openings.opened_at,
        openings.gates,
        openings.is_dirty,
        openings.manifest_sha256,
        openings.lock_sha256,
        openings.commit_sha
    from {{ ref('stg_ledger__openings') }} as openings
    left join {{ ref('stg_ledger__documents') }} as manifests
        on openings.manifest_sha256 = manifests.document_sha256
    where
        openings.is_first
        and (
            openings.gates is not null
            or {{ json_text('manifests.document', 'resolved.mode') }} = 'live'
        )

),

gates as (

    select
        record_seq,
        record_hash,
        run_id,
        profile,
        actor,
        opened_at,
        gates,
        is_dirty,
        manifest_sha256,
        lock_sha256,
        commit_sha,
        unnest(['tree', 'halt', 'manifest', 'lock', 'code']) as gate
    from runs

),

asked as (

    select
        record_seq,
        record_hash,
        run_id,
        profile,
        actor,
        opened_at,
        gate,
        is_dirty,
        lower(split_part(actor, '@', 1)) as actor_user,
        list_filter(gates, lambda verdict: verdict.gate = gate)[1] as recorded,
        case gate
            when 'manifest' then manifest_sha256
            when 'lock' then lock_sha256
            when 'code' then commit_sha
        end as digest
    from gates

),

standing as (

    select
        asked.record_seq,
        asked.gate,
        approvals.action,
        approvals.person,
        approvals.record_seq as approval_seq
    from asked
    inner join {{ ref('int_approvals_ended_by_others') }} as approvals
        on
            asked.record_seq > approvals.record_seq
            and (approvals.ended_seq is null or asked.record_seq < approvals.ended_seq)
            and (
                (approvals.action = 'halt' and asked.gate = 'halt')
                or (
                    lower(split_part(approvals.person, '@', 1)) <> asked.actor_user
                    and (
                        (
                            approvals.action = 'approve'
                            and asked.gate = approvals.subject
                            and asked.digest = approvals.digest
                        )
                        or (
                            approvals.action = 'override'
                            and asked.gate = approvals.subject
                            and asked.opened_at < approvals.until_at
                        )
                    )
                )
            )

),

found as (

    select
        record_seq,
        gate,
        min(approval_seq) filter (where action = 'approve') as approval_seq,
        min_by(person, approval_seq) filter (where action = 'approve') as approved_by,
        count(*) filter (where action = 'override') as override_count,
        count(*) filter (where action = 'halt') as halt_count
    from standing
    group by record_seq, gate

),

final as (

    select
        asked.record_seq || '.' || asked.gate as gate_verdict_id,
        asked.profile,
        asked.actor,
        asked.opened_at,
        asked.gate,
        asked.digest,
        asked.recorded.status,
        asked.recorded.seq as decided_by_seq,
        asked.recorded.by as decided_by,
        found.approval_seq as found_approval_seq,
        found.approved_by as found_approved_by,
        case
            when asked.gate = 'tree' and not asked.is_dirty then 'passed'
            when asked.gate = 'halt' and coalesce(found.halt_count, 0) = 0 then 'passed'
            when found.approval_seq is not null then 'passed'
            when found.override_count > 0 then 'overridden'
            else 'failed'
        end as found_status,
        asked.record_seq,
        asked.record_hash,
        asked.run_id
    from asked
    left join found
        on asked.record_seq = found.record_seq and asked.gate = found.gate

)

select * from final

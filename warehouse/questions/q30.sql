with standards as (
    select
        lower(cast($approved_lock as varchar)) as named_lock,
        (
            select count(*) > 0
            from meta.fct_approvals
            where kind = 'lock' and action = 'approve'
        ) as has_approval,
        (
            select min_by(lock_sha256, record_seq)
            from meta.dim_runs
            where lock_sha256 is not null
        ) as first_lock
),

judged as (
    select
        runs.*,
        case
            when standards.named_lock is not null then 'the lock you named'
            when standards.has_approval then 'a lock approved before the run'
            else 'the lock of the first run; none was ever approved'
        end as standard,
        case
            when standards.named_lock is not null
                then runs.lock_sha256 is distinct from standards.named_lock
            when standards.has_approval
                then not exists (
                    select 1
                    from meta.fct_approvals as approvals
                    where
                        approvals.kind = 'lock'
                        and approvals.action = 'approve'
                        and approvals.digest = runs.lock_sha256
                        and approvals.record_seq < runs.record_seq
                        and coalesce(approvals.ended_seq > runs.record_seq, true)
                )
            else runs.lock_sha256 is distinct from standards.first_lock
        end as is_drifted
    from meta.dim_runs as runs
    cross join standards
)

select
    judged.run_id,
    judged.kind,
    judged.profile,
    judged.opened_at,
    judged.outcome_count as decisions,
    judged.standard,
    judged.lock_sha256 as found_lock,
    judged.commit_sha,
    judged.python,
    (
        select count(*)
        from health.fct_environment_changes as changes
        where changes.run_id = judged.run_id
    ) as fields_changed_since_the_run_before,
    judged.record_seq,
    judged.record_hash
from judged
where judged.is_drifted
order by judged.record_seq

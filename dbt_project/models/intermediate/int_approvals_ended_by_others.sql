-- Until which record each statement counts: a withdrawal ends the approvals of what it names, a
-- dismissal everything that the person stated, a resumption the halt it names and all before it.
with

ends as (

    select
        given.record_seq,
        min(ending.record_seq) as ended_seq
    from {{ ref('int_approvals_read_from_notes') }} as given
    inner join {{ ref('int_approvals_read_from_notes') }} as ending
        on
            given.record_seq < ending.record_seq
            and (
                (
                    given.action = 'approve'
                    and ending.action = 'withdraw'
                    and given.subject = ending.subject
                    and given.digest = ending.digest
                )
                or (
                    given.action in ('enrol', 'approve', 'override')
                    and ending.action = 'dismiss'
                    and lower(given.person) = lower(ending.person)
                )
            )
    group by given.record_seq

),

lifts as (

    select
        given.record_seq,
        min(lifting.record_seq) as ended_seq
    from {{ ref('int_approvals_read_from_notes') }} as given
    inner join {{ ref('int_approvals_read_from_notes') }} as lifting
        on lifting.action = 'resume' and given.record_seq < lifting.record_seq
    inner join {{ ref('stg_ledger__records') }} as lifted
        on lifting.subject = lifted.record_hash and given.record_seq <= lifted.record_seq
    where given.action = 'halt'
    group by given.record_seq

),

final as (

    select
        approvals.*,
        coalesce(ends.ended_seq, lifts.ended_seq) as ended_seq
    from {{ ref('int_approvals_read_from_notes') }} as approvals
    left join ends
        on approvals.record_seq = ends.record_seq
    left join lifts
        on approvals.record_seq = lifts.record_seq

)

select * from final

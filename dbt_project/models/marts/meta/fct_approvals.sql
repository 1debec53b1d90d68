with

final as (

    select
        cast(record_seq as varchar) as approval_id,
        action,
        case when action in ('approve', 'withdraw') then subject end as kind,
        case when action in ('approve', 'withdraw') then digest end as digest,
        case when action = 'override' then subject end as gate,
        person,
        reason,
        is_signed,
        signed_at,
        until_at,
        recorded_at,
        actor,
        ended_seq,
        record_seq,
        record_hash,
        cast(null as varchar) as run_id
    from {{ ref('int_approvals_ended_by_others') }}

)

select * from final

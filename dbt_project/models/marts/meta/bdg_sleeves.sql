with

members as (

    select
        record_seq,
        unnest(sleeves) as member,
        false as is_dropped
    from {{ ref('stg_ledger__compositions') }}
    union all
    select
        record_seq,
        unnest(dropped) as member,
        true as is_dropped
    from {{ ref('stg_ledger__compositions') }}

),

final as (

    select
        members.record_seq || '.' || members.member.sleeve as sleeve_id,
        decisions.decision_id,
        members.member.sleeve,
        members.is_dropped,
        members.member.requested.engine as requested_engine,
        members.member.requested.risk_profile as requested_risk_profile,
        members.member.used.engine as used_engine,
        members.member.used.risk_profile as used_risk_profile,
        coalesce(members.member.proxy, false) as is_proxy,
        members.member.reason,
        {{ outcome_evidence() }}
    from members
    inner join {{ ref('int_decisions_taken') }} as decisions
        on members.record_seq = decisions.outcome_seq

)

select * from final

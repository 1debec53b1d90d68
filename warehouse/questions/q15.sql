select
    overrides.gate,
    overrides.person as overridden_by,
    overrides.reason,
    overrides.recorded_at as overridden_at,
    overrides.until_at,
    coalesce(overrides.record_seq, verdicts.decided_by_seq) as override_seq,
    verdicts.run_id,
    verdicts.gate as run_gate,
    verdicts.actor,
    verdicts.opened_at,
    case
        when verdicts.run_id is null then 'unused'
        when overrides.record_seq is null then 'no such override'
        when overrides.gate <> verdicts.gate then 'of another gate'
        when overrides.record_seq > verdicts.record_seq then 'made afterwards'
        when verdicts.opened_at >= overrides.until_at then 'expired'
        when overrides.ended_seq < verdicts.record_seq then 'of a dismissed person'
        when lower(split_part(overrides.person, '@', 1)) = lower(split_part(verdicts.actor, '@', 1))
            then 'by the actor'
        else 'four eyes'
    end as finding,
    coalesce(verdicts.record_seq, overrides.record_seq) as record_seq,
    coalesce(verdicts.record_hash, overrides.record_hash) as record_hash
from (select * from meta.fct_approvals where action = 'override') as overrides
full join (select * from meta.fct_gate_verdicts where status = 'overridden') as verdicts
    on overrides.record_seq = verdicts.decided_by_seq
order by record_seq, run_gate

-- Statements of people recorded in the period.
select
    action, kind, digest, gate, person, reason, is_signed, signed_at, until_at, recorded_at, actor,
    ended_seq, record_seq, record_hash
from meta.fct_approvals
where cast(recorded_at as date) between cast($first as date) and cast($last as date)
order by record_seq

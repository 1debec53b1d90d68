-- Statements that enrol or dismiss a person, with the note that was signed.
select
    a.action, a.person, r.data ->> '$.note' as note, a.record_seq, a.record_hash
from meta.fct_approvals as a
inner join raw.records as r on a.record_seq = r.seq
where a.action in ('enrol', 'dismiss')
order by a.record_seq

-- Who took, signed, anchored, erased or recovered what in the period.
select
    ts, type, coalesce(step, '') as step, coalesce(actor, '') as actor,
    coalesce(
        data ->> '$.out', data ->> '$.framework', data ->> '$.role', data ->> '$.place', id, ''
    ) as subject,
    coalesce(data ->> '$.sha256', data ->> '$.report_sha256', data ->> '$.root', '') as digest,
    seq as record_seq, hash as record_hash
from raw.records
where
    seq <= (select h.through_seq from raw.head as h)
    and type in ('note', 'anchor', 'key', 'redaction', 'recovery')
    and coalesce(step, '') <> 'heartbeat'
    and cast(left(ts, 10) as date) between cast($first as date) and cast($last as date)
order by seq

-- Sign-offs of reports, as recorded, and the report that each is about.
select
    s.data ->> '$.role' as role, s.data ->> '$.person' as person,
    s.data ->> '$.report_sha256' as report_sha256, s.data ->> '$.report_id' as report_id,
    s.data ->> '$.note' as note, s.ts as recorded,
    r.seq as report_seq, r.hash as report_hash,
    s.seq as record_seq, s.hash as record_hash
from raw.records as s
left join raw.records as r
    on r.step = 'report' and r.type = 'note' and r.seq < s.seq
    and r.data ->> '$.sha256' = s.data ->> '$.report_sha256'
where
    s.seq <= (select h.through_seq from raw.head as h)
    and s.type = 'note' and s.step = 'sign-off'
qualify row_number() over (partition by s.seq order by r.seq desc) = 1
order by s.seq

-- Certificates of optimality that were checked, by kind and verdict.
select
    certificate_kind, verdict, count(*) as decisions,
    min(record_seq) as record_seq, arg_min(record_hash, record_seq) as record_hash
from meta.fct_certifications
group by certificate_kind, verdict
order by certificate_kind, verdict

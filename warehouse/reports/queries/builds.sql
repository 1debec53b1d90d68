-- Content hashes of the marts as recorded by the newest build before this head.
select through_seq, through_hash, mart, row_count, content_sha256, record_seq, record_hash
from meta.fct_builds
where record_seq = (select max(record_seq) from meta.fct_builds)
order by mart

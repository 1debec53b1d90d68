-- The first record: origin and public key of this ledger.
select
    json_extract_string(data, '$$.origin') as origin,
    json_extract_string(data, '$$.vkey') as vkey,
    seq as record_seq,
    hash as record_hash
from raw.records
where type = 'genesis'
order by seq
limit 1

-- The head that was loaded is the last record that the marts know.
select
    head.through_seq,
    head.through_hash,
    integrity.through_seq as found_seq,
    integrity.through_hash as found_hash
from {{ source('raw', 'head') }} as head
left join {{ ref('fct_ledger_integrity') }} as integrity
    on head.through_seq = integrity.through_seq and head.through_hash = integrity.through_hash
where integrity.through_seq is null

-- Hashes first and once, so that the order of the chain is found among short rows.
with hashed as materialized (
    select
        seq,
        hash,
        prev_hash,
        redacted,
        case when redacted then sha256(line) end as stub,
        -- The line with its hash member cut off is the body; the hash covers 0x00 and the body.
        sha256(
            '\x00'::blob || encode(regexp_replace(line, ',"hash":"[0-9a-f]{64}"\}$', '}'))
        ) as hash_expected
    from raw.records
),

linked as (
    select
        seq,
        hash,
        prev_hash,
        lag(seq, 1, -1) over (order by seq) + 1 as seq_expected,
        lag(hash, 1, repeat('0', 64)) over (order by seq) as prev_hash_expected,
        -- An erased record is a stub with the hash of what stood there; a later redaction names it.
        redacted and exists (
            select 1
            from raw.records as redactions
            where
                redactions.type = 'redaction'
                and redactions.seq > hashed.seq
                and redactions.data ->> 'seq' = cast(hashed.seq as varchar)
                and redactions.data ->> 'stub' = hashed.stub
        ) as is_erased,
        hash_expected
    from hashed
)

select
    seq,
    'seq' as member,
    cast(seq_expected as varchar) as expected,
    cast(seq as varchar) as found
from linked
where seq != seq_expected
union all
select
    seq,
    'hash' as member,
    hash_expected as expected,
    hash as found
from linked
where hash != hash_expected and not is_erased
union all
select
    seq,
    'prev_hash' as member,
    prev_hash_expected as expected,
    prev_hash as found
from linked
where prev_hash != prev_hash_expected
order by seq, member

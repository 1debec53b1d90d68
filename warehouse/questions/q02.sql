-- RFC 6962: every perfect subtree is hashed once; the root over n leaves is folded from the perfect
-- subtrees that n has as binary digits, the smallest first.
with recursive signed as (
    select
        size,
        root
    from raw.checkpoints
    union
    select
        cast($seen_size as bigint) as size,
        lower(cast($seen_root as varchar)) as root
    where $seen_size is not null
),

counted as (
    select count(*) as record_count
    from raw.records
),

subtrees as (
    select
        seq as place,
        unhex(hash) as node,
        0 as height
    from raw.records
    union all
    select
        place // 2 as place,
        unhex(sha256('\x01'::blob || min_by(node, place) || max_by(node, place))) as node,
        height + 1 as height
    from subtrees
    group by place // 2, height
    having count(*) = 2
),

peaks as (
    select
        signed.size,
        signed.root,
        subtrees.node,
        row_number() over (partition by signed.size, signed.root order by heights.height) as peak
    from signed
    cross join range(0, 62) as heights (height)
    inner join subtrees
        on
            heights.height = subtrees.height
            and subtrees.place = (signed.size >> (heights.height + 1)) * 2
    where (signed.size >> heights.height) & 1 = 1
),

folded as (
    select
        size,
        root,
        peak,
        node
    from peaks
    where peak = 1
    union all
    select
        folded.size,
        folded.root,
        peaks.peak,
        unhex(sha256('\x01'::blob || peaks.node || folded.node)) as node
    from folded
    inner join peaks
        on folded.size = peaks.size and folded.root = peaks.root and folded.peak + 1 = peaks.peak
),

recomputed as (
    select
        size,
        root,
        lower(hex(max_by(node, peak))) as root_recomputed
    from folded
    group by size, root
)

select
    signed.size,
    'the ledger is shorter than what was signed' as finding,
    cast(signed.size as varchar) as expected,
    cast(counted.record_count as varchar) as found
from signed
cross join counted
where signed.size > counted.record_count
union all
select
    signed.size,
    'the records are not those that were signed' as finding,
    signed.root as expected,
    recomputed.root_recomputed as found
from signed
cross join counted
left join recomputed
    on signed.size = recomputed.size and signed.root = recomputed.root
where signed.size <= counted.record_count and signed.root is distinct from recomputed.root_recomputed
union all
select
    0 as size,
    'nothing was ever signed' as finding,
    'a checkpoint' as expected,
    'none' as found
where (select count(*) from signed) = 0
order by 1, 2

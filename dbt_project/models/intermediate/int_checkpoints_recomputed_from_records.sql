-- RFC 6962: the root over the first n leaves is folded from the perfect subtrees that n has as
-- binary digits, the smallest first. Every perfect subtree is hashed once, for all checkpoints.
with recursive

subtrees as (

    select
        record_seq as place,
        unhex(record_hash) as node,
        0 as height
    from {{ ref('stg_ledger__records') }}

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
        checkpoints.size,
        subtrees.node,
        row_number() over (partition by checkpoints.size order by heights.height) as peak
    from {{ ref('stg_ledger__checkpoints') }} as checkpoints
    cross join range(0, 62) as heights (height)
    inner join subtrees
        on
            heights.height = subtrees.height
            and subtrees.place = (checkpoints.size >> (heights.height + 1)) * 2
    where (checkpoints.size >> heights.height) & 1 = 1

),

folded as (

    select
        size,
        peak,
        node
    from peaks
    where peak = 1

    union all

    select
        folded.size,
        peaks.peak,
        unhex(sha256('\x01'::blob || peaks.node || folded.node)) as node
    from folded
    inner join peaks
        on folded.size = peaks.size and folded.peak + 1 = peaks.peak

),

final as (

    select
        size,
        lower(hex(max_by(node, peak))) as root_recomputed
    from folded
    group by size

)

select * from final

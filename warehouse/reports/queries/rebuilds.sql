-- Every recorded build in the period, and whether another build of the same head differs.
select
    b.run_id, b.through_seq, b.through_hash, r.opened_at,
    count(*) as marts,
    count(*) filter (
        where exists (
            select 1 from meta.fct_builds as o
            where
                o.through_seq = b.through_seq and o.mart = b.mart
                and o.content_sha256 <> b.content_sha256
        )
    ) as different,
    min(b.record_seq) as record_seq,
    arg_min(b.record_hash, b.record_seq) as record_hash
from meta.fct_builds as b
inner join meta.dim_runs as r on b.run_id = r.run_id
where cast(r.opened_at as date) between cast($first as date) and cast($last as date)
group by b.run_id, b.through_seq, b.through_hash, r.opened_at
order by min(b.record_seq)

with contents as (
    select
        builds.through_seq,
        builds.through_hash,
        builds.mart,
        builds.content_sha256,
        count(*) as builds,
        min(builds.row_count) as row_count,
        min(builds.record_seq) as record_seq,
        min_by(builds.record_hash, builds.record_seq) as record_hash,
        min_by(runs.commit_sha, builds.record_seq) as commit_sha,
        bool_or(runs.is_dirty) as is_dirty
    from meta.fct_builds as builds
    left join meta.dim_runs as runs
        on builds.run_id = runs.run_id
    group by builds.through_seq, builds.through_hash, builds.mart, builds.content_sha256
)

select
    through_seq,
    through_hash,
    mart,
    count(*) over (partition by through_seq, through_hash, mart) as contents,
    content_sha256,
    row_count,
    builds,
    commit_sha,
    is_dirty,
    record_seq,
    record_hash
from contents
qualify count(*) over (partition by through_seq, through_hash, mart) > 1
order by through_seq, mart, record_seq

with

final as (

    select
        record_seq || '.' || role as upstream_id,
        decision_id,
        role,
        upstream_decision_id,
        is_prefix,
        used_sha256,
        upstream_sha256,
        -- The digest of an erased result is not known any more.
        case
            when not is_upstream_erased then coalesce(used_sha256 = upstream_sha256, false)
        end as is_match,
        record_seq,
        record_hash,
        run_id
    from {{ ref('int_upstreams_joined_to_results') }}
    where outcome_status = 'ok'

)

select * from final

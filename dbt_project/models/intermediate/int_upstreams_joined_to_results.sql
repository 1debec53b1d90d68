with

named as (

    select
        decision_id,
        record_seq,
        record_hash,
        run_id,
        outcome_status,
        outcome_seq,
        upstream_sha256,
        unnest(upstream) as entry
    from {{ ref('int_intents_paired_with_outcomes') }}
    where is_first

),

split as (

    select
        decision_id,
        record_seq,
        record_hash,
        run_id,
        outcome_status,
        outcome_seq,
        entry.key as role,
        entry.value as upstream_decision_id,
        ends_with(entry.value, '*') as is_prefix,
        upstream_sha256[entry.key] as used_sha256
    from named

),

single as (

    select
        split.decision_id,
        split.role,
        decisions.result_sha256 as upstream_sha256,
        coalesce(decisions.outcome_status = 'redacted', false) as is_upstream_erased
    from split
    inner join {{ ref('int_intents_paired_with_outcomes') }} as decisions
        on split.upstream_decision_id = decisions.decision_id and decisions.is_first
    where not split.is_prefix

),

-- A prefix stands for all decisions that begin with it; its digest is that of the JSON list of
-- their digests, in order of their ids.
several as (

    select
        split.decision_id,
        split.role,
        sha256(
            '["'
            || string_agg(decisions.result_sha256, '","' order by decisions.decision_id)
            || '"]'
        ) as upstream_sha256,
        bool_or(decisions.outcome_status = 'redacted') as is_upstream_erased
    from split
    inner join {{ ref('int_intents_paired_with_outcomes') }} as decisions
        on
            split_part(split.upstream_decision_id, '/', 1) = decisions.run_id
            and split_part(split.upstream_decision_id, '/', 2) = decisions.step
            and starts_with(decisions.decision_id, rtrim(split.upstream_decision_id, '*'))
    where
        split.is_prefix
        and decisions.outcome_status in ('ok', 'redacted')
        and decisions.outcome_seq < split.outcome_seq
    group by split.decision_id, split.role

),

final as (

    select
        split.*,
        coalesce(single.upstream_sha256, several.upstream_sha256) as upstream_sha256,
        coalesce(single.is_upstream_erased, several.is_upstream_erased, false) as is_upstream_erased
    from split
    left join single
        on split.decision_id = single.decision_id and split.role = single.role
    left join several
        on split.decision_id = several.decision_id and split.role = several.role

)

select * from final

with

assets as (

    select
        record_seq,
        gate,
        is_strict,
        unnest(symbols) as asset
    from {{ ref('stg_ledger__assessments') }}

),

final as (

    select
        assets.record_seq || '.' || {{ json_text('assets.asset', 'symbol') }} as asset_health_id,
        {{ decision_columns() }},
        {{ json_text('assets.asset', 'symbol') }} as symbol,
        {{ json_text('assets.asset', 'status') }} as status,
        assets.gate,
        assets.is_strict,
        {{ json_count('assets.asset', 'bars') }} as bar_count,
        {{ json_count('assets.asset', 'expected') }} as expected_count,
        {{ json_count('assets.asset', 'missing') }} as missing_count,
        {{ json_count('assets.asset', 'largest_gap') }} as largest_gap,
        {{ json_count('assets.asset', 'tolerated') }} as tolerated_count,
        {{ json_date('assets.asset', 'last_date') }} as last_bar_date,
        {{ json_count('assets.asset', 'stale') }} as stale_count,
        {{ json_number('assets.asset', 'deviation') }} as deviation,
        {{ json_number('assets.asset', 'largest_return') }} as largest_return,
        array_to_string(cast(json_extract(assets.asset, '$.reasons') as varchar[]), '; ') as reasons,
        {{ outcome_evidence() }}
    from assets
    inner join {{ ref('int_decisions_taken') }} as decisions
        on assets.record_seq = decisions.outcome_seq

)

select * from final

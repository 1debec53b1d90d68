{{ config(materialized='table', meta={'grows_by': 'run'}) }}
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
        assets.record_seq || '.' || assets.asset.symbol as asset_health_id,
        {{ decision_columns() }},
        assets.asset.symbol,
        assets.asset.status,
        assets.gate,
        assets.is_strict,
        assets.asset.bars as bar_count,
        assets.asset.expected as expected_count,
        assets.asset.missing as missing_count,
        assets.asset.largest_gap,
        assets.asset.tolerated as tolerated_count,
        assets.asset.last_date as last_bar_date,
        assets.asset.stale as stale_count,
        assets.asset.deviation,
        assets.asset.largest_return,
        array_to_string(assets.asset.reasons, '; ') as reasons,
        {{ outcome_evidence() }}
    from assets
    inner join {{ ref('int_decisions_taken') }} as decisions
        on assets.record_seq = decisions.outcome_seq

)

select * from final

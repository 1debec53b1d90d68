{{ config(materialized='table', meta={'grows_by': 'run'}) }}
with

final as (

    select
        record_seq || '.' || return_date as portfolio_return_id,
        decision_id,
        sleeve,
        engine,
        risk_profile,
        window_ordinal,
        as_of_date,
        return_date,
        gross_return,
        cost,
        net_return,
        nav,
        gross_growth,
        net_growth,
        nav_peak,
        (nav_peak - nav) / nav_peak as drawdown,
        record_seq,
        record_hash,
        run_id
    from {{ ref('int_returns_stitched_across_windows') }}

)

select * from final

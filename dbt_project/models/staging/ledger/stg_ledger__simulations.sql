{{ config(materialized='table', meta={'grows_by': 'record'}) }}
-- A table, because its readers would each parse the same long results again.
with

parsed as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        {% call json_struct('result') %}{
            "first_date": "DATE", "last_date": "DATE", "liquidated_at": "DATE",
            "nav_start": "DOUBLE", "nav_end": "DOUBLE", "turnover_one_way": "DOUBLE",
            "slippage_cost": "DOUBLE", "commission_cost": "DOUBLE",
            "dates": ["DATE"], "gross_returns": ["DOUBLE"], "net_returns": ["DOUBLE"],
            "nav": ["DOUBLE"], "costs": ["DOUBLE"], "leavers": ["VARCHAR"], "missing_bars": ["JSON"]
        }{% endcall %} as result
    from {{ ref('stg_ledger__results') }}
    where step = 'simulate'

),

final as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        result.first_date,
        result.last_date,
        result.liquidated_at as liquidated_date,
        result.nav_start,
        result.nav_end,
        result.turnover_one_way,
        result.slippage_cost,
        result.commission_cost,
        result.dates as return_dates,
        result.gross_returns,
        result.net_returns,
        result.nav as navs,
        result.costs,
        result.leavers,
        result.missing_bars
    from parsed

)

select * from final

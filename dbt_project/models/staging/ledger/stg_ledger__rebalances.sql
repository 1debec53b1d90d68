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
            "as_of": "DATE", "nav": "DOUBLE", "cash_weight": "DOUBLE", "turnover_one_way": "DOUBLE",
            "largest_drift": "DOUBLE", "urgency": "VARCHAR",
            "holdings": "MAP(VARCHAR, DOUBLE)", "targets": "MAP(VARCHAR, DOUBLE)",
            "trades": [{
                "symbol": "VARCHAR", "side": "VARCHAR", "weight": "DOUBLE", "value": "DOUBLE"
            }]
        }{% endcall %} as result
    from {{ ref('stg_ledger__results') }}
    where step = 'rebalance'

),

final as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        result.nav,
        result.cash_weight,
        result.turnover_one_way,
        result.largest_drift,
        result.urgency,
        result.as_of as result_as_of_date,
        {{ map_entries_ordered('result.holdings') }} as holdings,
        {{ map_entries_ordered('result.targets') }} as targets,
        result.trades
    from parsed

)

select * from final

-- What the monitoring marts count adds up to the rows of the marts they count.
with

counts as (

    select
        'solver outcomes' as what,
        (
            select coalesce(sum(decision_count), 0) from {{ ref('fct_fallback_rates') }}
        ) as counted,
        (
            select count(*) from {{ ref('fct_solver_outcomes') }}
        ) as found
    union all
    select
        'fallbacks' as what,
        (
            select coalesce(sum(fallback_count), 0) from {{ ref('fct_fallback_rates') }}
        ) as counted,
        (
            select count(*) from {{ ref('fct_solver_outcomes') }}
            where is_fallback
        ) as found
    union all
    select
        'health checks' as what,
        (
            select coalesce(sum(check_count), 0) from {{ ref('fct_status_spells') }}
        ) as counted,
        (
            select count(*) from {{ ref('fct_asset_health') }}
        ) as found
    union all
    select
        'dropped symbols' as what,
        (
            select coalesce(sum(dropped_count), 0) from {{ ref('fct_solver_outcomes') }}
        ) as counted,
        (
            select count(*) from {{ ref('fct_dropped_symbols') }}
        ) as found
    union all
    select
        'models' as what,
        (
            select coalesce(sum(decision_count), 0) from {{ ref('dim_models') }}
        ) as counted,
        (
            select count(*) from {{ ref('fct_intents') }}
            where step = 'optimize' and pairing != 'repeated'
        ) as found

)

select
    what,
    counted,
    found
from counts
where counted != found

-- Every weight, return and constraint that a record lists is a row of its mart.
with

counts as (

    select
        'weights' as what,
        (
            select coalesce(sum(weight_count), 0) from {{ ref('fct_solver_outcomes') }}
        ) as recorded,
        (
            select count(*) from {{ ref('fct_weights') }}
        ) as found
    union all
    select
        'returns' as what,
        (
            select coalesce(sum(day_count), 0) from {{ ref('fct_window_metrics') }}
        ) as recorded,
        (
            select count(*) from {{ ref('fct_portfolio_returns') }}
        ) as found
    union all
    select
        'trades' as what,
        (
            select coalesce(sum(trade_count), 0) from {{ ref('fct_turnover') }}
        ) as recorded,
        (
            select count(*) from {{ ref('fct_trades') }}
        ) as found

)

select
    what,
    recorded,
    found
from counts
where recorded != found

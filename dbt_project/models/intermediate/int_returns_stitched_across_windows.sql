{{ config(materialized='table', meta={'grows_by': 'run'}) }}
-- A table, because three marts read it and its window functions are the dearest of all.
with

days as (

    select
        {{ decision_columns() }},
        {{ outcome_evidence() }},
        simulations.nav_start,
        unnest(simulations.return_dates) as return_date,
        unnest(simulations.gross_returns) as gross_return,
        unnest(simulations.costs) as cost,
        unnest(simulations.net_returns) as net_return,
        unnest(simulations.navs) as nav
    from {{ taken('stg_ledger__simulations', 'simulations') }}

),

final as (

    select
        *,
        row_number() over book as day_number,
        first_value(nav_start) over book as first_nav,
        lag(nav, 1, nav_start) over decision as previous_nav,
        product(1 + gross_return) over book as gross_growth,
        product(1 + net_return) over book as net_growth,
        greatest(max(nav) over book, first_value(nav_start) over book) as nav_peak,
        greatest(max(nav) over decision, nav_start) as nav_peak_in_window
    from days
    window
        book as (
            partition by run_id, sleeve, engine, risk_profile
            order by return_date, record_seq
            rows between unbounded preceding and current row
        ),
        decision as (
            partition by record_seq
            order by return_date
            rows between unbounded preceding and current row
        )

)

select * from final

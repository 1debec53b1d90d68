{{ config(materialized='table') }}
-- A table, because every metric of `fct_metric_checks` reads it once more.
-- The definitions are those of the record `measure@1`, written once more in SQL.
with

measurements as (

    select
        {{ decision_columns() }},
        {{ outcome_evidence() }},
        measurements.periods_per_year
    from {{ taken('stg_ledger__measurements', 'measurements') }}

),

returns as (

    select
        measurements.decision_id,
        measurements.periods_per_year,
        bases.basis,
        days.day_number,
        case bases.basis
            when 'gross' then days.gross_return else days.net_return
        end as period_return,
        case bases.basis when 'gross' then days.gross_growth else days.net_growth end as growth
    from measurements
    inner join {{ ref('int_returns_stitched_across_windows') }} as days
        on
            measurements.run_id = days.run_id
            and measurements.sleeve = days.sleeve
            and measurements.engine = days.engine
            and measurements.risk_profile = days.risk_profile
    cross join (values ('gross'), ('net')) as bases (basis)

),

ranked as (

    select
        *,
        row_number() over (
            partition by decision_id, basis order by period_return, day_number
        ) as position,
        count(*) over (partition by decision_id, basis) as day_count,
        avg(period_return) over (
            partition by decision_id, basis order by day_number
            rows between unbounded preceding and unbounded following
        ) as mean,
        greatest(1.0, max(growth) over (
            partition by decision_id, basis order by day_number
            rows between unbounded preceding and current row
        )) as peak
    from returns

),

moments as (

    select
        decision_id,
        basis,
        any_value(day_count order by day_number) as day_count,
        any_value(periods_per_year order by day_number) as periods_per_year,
        any_value(mean order by day_number) as mean,
        max_by(growth, day_number) - 1 as total_return,
        case
            when count(*) > 1
                then sqrt(
                    sum((period_return - mean) * (period_return - mean) order by day_number)
                    / (count(*) - 1)
                )
        end as deviation,
        sqrt(sum(
            case when period_return < 0 then period_return * period_return else 0 end
            order by day_number
        ) / count(*)) as downside,
        max((peak - growth) / peak) as max_drawdown,
        -max(case when position = ceil(day_count / 20) then period_return end) as var_95,
        -sum(
            period_return * least(greatest(day_count / 20 - (position - 1), 0), 1) order by position
        ) / (any_value(day_count order by day_number) / 20) as cvar_95
    from ranked
    group by decision_id, basis

),

annualised as (

    select
        *,
        case
            when day_count >= periods_per_year and total_return >= -1
                then power(1 + total_return, periods_per_year / day_count) - 1
        end as annual_return,
        -- Deviations up to this are rounding: values near 1 carry errors of 1e-16.
        coalesce(deviation, 0) > 1e-14 as has_deviation
    from moments

),

final as (

    select
        decision_id,
        basis,
        total_return,
        annual_return,
        case when has_deviation then deviation else deviation * 0 end
        * sqrt(periods_per_year) as volatility,
        case when has_deviation then mean / deviation * sqrt(periods_per_year) end as sharpe,
        case when downside > 0 then mean / downside * sqrt(periods_per_year) end as sortino,
        case when max_drawdown > 0 then annual_return / max_drawdown end as calmar,
        max_drawdown,
        var_95,
        cvar_95
    from annualised

)

select * from final

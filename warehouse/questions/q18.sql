with wanted as (
    select coalesce(
        cast($as_of as date),
        (
            select max(as_of_date)
            from health.fct_intents
            where step = 'optimize' and outcome_status = 'ok'
        )
    ) as day
),

decisions as (
    select intents.*
    from health.fct_intents as intents
    cross join wanted
    where
        intents.step = 'optimize'
        and intents.outcome_status = 'ok'
        and not intents.is_superseded
        and (
            intents.as_of_date = wanted.day
            or wanted.day between intents.test_first_date and intents.test_last_date
        )
        and ($run_id is null or intents.run_id = $run_id)
        and ($sleeve is null or intents.sleeve = $sleeve)
),

known as (
    select
        decisions.decision_id,
        checks.symbol
    from decisions
    inner join health.fct_asset_health as checks
        on
            decisions.run_id = checks.run_id
            and decisions.sleeve = checks.sleeve
            and decisions.as_of_date = checks.as_of_date
    union
    select
        decisions.decision_id,
        selections.symbol
    from decisions
    inner join meta.fct_selections as selections
        on
            decisions.run_id = selections.run_id
            and decisions.sleeve = selections.sleeve
            and decisions.as_of_date = selections.as_of_date
    union
    select
        decision_id,
        symbol
    from metrics.fct_weights
    where decision_id in (select decision_id from decisions)
    union
    select
        decision_id,
        symbol
    from metrics.fct_dropped_symbols
    where decision_id in (select decision_id from decisions)
    union
    select
        decision_id,
        cast($symbol as varchar) as symbol
    from decisions
    where $symbol is not null
),

failed as (
    select
        run_id,
        sleeve,
        as_of_date,
        symbol,
        string_agg(
            rule || ': ' || coalesce(cast(value as varchar), 'no value')
            || ' beyond ' || coalesce(cast(threshold as varchar), 'no limit'),
            '; ' order by rule
        ) as vetoes
    from meta.fct_vetoes
    where not is_passed
    group by run_id, sleeve, as_of_date, symbol
),

binding as (
    select
        decision_id,
        name,
        string_agg(kind, ', ' order by kind) as limits
    from metrics.fct_cap_usage
    where is_binding and kind = 'symbol_cap'
    group by decision_id, name
)

select
    decisions.sleeve,
    decisions.engine,
    decisions.risk_profile,
    decisions.as_of_date,
    known.symbol,
    coalesce(weights.weight, 0) as weight,
    case
        when weights.weight != 0 and binding.limits is not null then 'held, at its cap'
        when weights.weight != 0 then 'held'
        when dropped.symbol is not null then 'dropped: ' || coalesce(dropped.reason, 'no reason')
        when weights.weight = 0 then 'selected, and given no weight by the solver'
        when selections.is_selected then 'selected, and not among the weights'
        when failed.vetoes is not null then 'vetoed: ' || failed.vetoes
        when selections.rank is not null
            then 'not among the best of its cluster: rank ' || selections.rank
        when checks.status is not null and checks.status != 'ok'
            then 'not healthy: ' || checks.status || coalesce(', ' || nullif(checks.reasons, ''), '')
        when selections.symbol is not null then 'in the universe, and not scored'
        when checks.symbol is not null then 'healthy, and not in the universe'
        else 'not known to this sleeve'
    end as reason,
    checks.status as health,
    selections.score,
    selections.rank,
    selections.cluster,
    decisions.decision_id,
    selections.record_seq as selection_seq,
    decisions.outcome_seq,
    decisions.outcome_hash
from known
inner join decisions
    on known.decision_id = decisions.decision_id
left join metrics.fct_weights as weights
    on known.decision_id = weights.decision_id and known.symbol = weights.symbol
left join metrics.fct_dropped_symbols as dropped
    on known.decision_id = dropped.decision_id and known.symbol = dropped.symbol
left join binding
    on known.decision_id = binding.decision_id and known.symbol = binding.name
left join meta.fct_selections as selections
    on
        decisions.run_id = selections.run_id
        and decisions.sleeve = selections.sleeve
        and decisions.as_of_date = selections.as_of_date
        and known.symbol = selections.symbol
left join failed
    on
        decisions.run_id = failed.run_id
        and decisions.sleeve = failed.sleeve
        and decisions.as_of_date = failed.as_of_date
        and known.symbol = failed.symbol
left join health.fct_asset_health as checks
    on
        decisions.run_id = checks.run_id
        and decisions.sleeve = checks.sleeve
        and decisions.as_of_date = checks.as_of_date
        and known.symbol = checks.symbol
where $symbol is null or known.symbol = $symbol
order by decisions.decision_id, known.symbol

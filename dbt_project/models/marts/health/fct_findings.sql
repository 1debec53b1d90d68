-- One rule, one CTE. A finding is a fact that was recorded and breaks a rule: it does not stop the
-- build, because an auditor must be able to look at it.
with

decisions_repeated as (

    select
        'decision_repeated' as rule,
        decision_id as subject,
        'a later successful attempt replaces this one' as detail,
        cast(null as double) as value,
        cast(null as double) as threshold,
        outcome_seq as record_seq,
        outcome_hash as record_hash,
        run_id
    from {{ ref('int_intents_paired_with_outcomes') }}
    where is_superseded

),

intents_orphaned as (

    select
        'intent_orphaned' as rule,
        decision_id as subject,
        'the run was closed and this intent has no outcome' as detail,
        null as value,
        null as threshold,
        record_seq,
        record_hash,
        run_id
    from {{ ref('int_intents_paired_with_outcomes') }}
    where pairing = 'orphan'

),

records_repeated as (

    select
        'record_repeated' as rule,
        decision_id as subject,
        'an earlier intent has the same id' as detail,
        null as value,
        null as threshold,
        record_seq,
        record_hash,
        run_id
    from {{ ref('int_intents_paired_with_outcomes') }}
    where pairing = 'repeated'
    union all
    select
        'record_repeated' as rule,
        run_id as subject,
        'the run was opened before' as detail,
        null as value,
        null as threshold,
        record_seq,
        record_hash,
        run_id
    from {{ ref('stg_ledger__openings') }}
    where not is_first
    union all
    select
        'record_repeated' as rule,
        run_id as subject,
        'the run was closed before' as detail,
        null as value,
        null as threshold,
        record_seq,
        record_hash,
        run_id
    from {{ ref('stg_ledger__closings') }}
    where not is_first and not is_lifted

),

outcomes_unmatched as (

    select
        case
            when intents.record_seq is null then 'outcome_unmatched' else 'outcome_repeated'
        end as rule,
        outcomes.decision_id as subject,
        case
            when intents.record_seq is null then 'no intent before this outcome has its id'
            else 'the intent had an outcome already'
        end as detail,
        null as value,
        null as threshold,
        outcomes.record_seq,
        outcomes.record_hash,
        outcomes.run_id
    from {{ ref('stg_ledger__outcomes') }} as outcomes
    left join {{ ref('int_intents_paired_with_outcomes') }} as intents
        on
            outcomes.decision_id = intents.decision_id
            and outcomes.record_seq > intents.record_seq
            and intents.is_first
    where intents.record_seq is null or outcomes.record_seq != intents.outcome_seq

),

run_counts as (

    select
        'run_count_differs' as rule,
        runs.run_id as subject,
        'the closing record counts ' || runs.recorded_intent_count || ' intents and '
        || runs.recorded_outcome_count || ' outcomes, found ' || runs.intent_count || ' and '
        || runs.outcome_count as detail,
        cast(runs.intent_count + runs.outcome_count as double) as value,
        cast(runs.recorded_intent_count + runs.recorded_outcome_count as double) as threshold,
        closings.record_seq,
        closings.record_hash,
        runs.run_id
    from {{ ref('dim_runs') }} as runs
    inner join {{ ref('stg_ledger__closings') }} as closings
        on runs.run_id = closings.run_id and closings.is_first
    where
        runs.intent_count != runs.recorded_intent_count
        or runs.outcome_count != runs.recorded_outcome_count

),

result_digests as (

    select
        'result_digest_differs' as rule,
        decision_id as subject,
        'recorded ' || coalesce(result_sha256, 'none') || ', found '
        || coalesce(result_sha256_recomputed, 'none') as detail,
        null as value,
        null as threshold,
        outcome_seq as record_seq,
        outcome_hash as record_hash,
        run_id
    from {{ ref('int_intents_paired_with_outcomes') }}
    where outcome_status = 'ok' and result_sha256 is distinct from result_sha256_recomputed

),

upstream_digests as (

    select
        'upstream_digest_differs' as rule,
        decision_id as subject,
        role || ': used ' || coalesce(used_sha256, 'none') || ', '
        || upstream_decision_id || ' has '
        || coalesce(upstream_sha256, 'none') as detail,
        null as value,
        null as threshold,
        record_seq,
        record_hash,
        run_id
    from {{ ref('bdg_decision_upstreams') }}
    where not is_match

),

looks_ahead as (

    select
        'look_ahead' as rule,
        intents.decision_id as subject,
        case
            when intents.test_first_date <= intents.train_last_date
                then
                    'test rows begin on ' || intents.test_first_date || ', train rows end on '
                    || intents.train_last_date
            when intents.step != 'simulate' and intents.slice_last_date > intents.as_of_date
                then
                    'rows until ' || intents.slice_last_date || ' used for a decision of '
                    || intents.as_of_date
            else
                'result is of ' || intents.result_as_of_date || ', decision of '
                || intents.as_of_date
        end as detail,
        null as value,
        null as threshold,
        intents.record_seq,
        intents.record_hash,
        intents.run_id
    from {{ ref('int_intents_paired_with_outcomes') }} as intents
    where
        intents.test_first_date <= intents.train_last_date
        -- A simulation looks at what came after the decision; that is its purpose.
        or (intents.step != 'simulate' and intents.slice_last_date > intents.as_of_date)
        or intents.result_as_of_date > intents.as_of_date

),

weights_not_summing as (

    select
        'weights_not_summing' as rule,
        decision_id as subject,
        'weights and cash sum to ' || weight_total as detail,
        weight_total as value,
        1.0 as threshold,
        record_seq,
        record_hash,
        run_id
    from {{ ref('fct_solver_outcomes') }}
    where abs(weight_total - 1) > {{ var('weight_tolerance') }}

),

caps_breached as (

    select
        'cap_breached' as rule,
        decision_id as subject,
        kind || ' ' || name || ' in regime ' || coalesce(regime, 'unknown') as detail,
        value,
        threshold,
        record_seq,
        record_hash,
        run_id
    from {{ ref('fct_cap_usage') }}
    where is_breached

),

-- What was recorded as constraint and what was recorded as weight must not contradict each other.
caps_hidden as (

    select
        'cap_breached' as rule,
        weights.decision_id as subject,
        'weight of ' || weights.symbol || ' is above the cap in force' as detail,
        weights.weight as value,
        solved.symbol_cap as threshold,
        weights.record_seq,
        weights.record_hash,
        weights.run_id
    from {{ ref('fct_weights') }} as weights
    inner join {{ ref('fct_solver_outcomes') }} as solved
        on weights.record_seq = solved.record_seq
    left join {{ ref('fct_cap_usage') }} as usage
        on
            weights.record_seq = usage.record_seq
            and usage.kind = 'symbol_cap'
            and weights.symbol = usage.name
    where
        weights.weight > solved.symbol_cap + {{ var('weight_tolerance') }}
        and not coalesce(usage.is_breached, false)

),

nav_joints as (

    select
        decision_id,
        first_date,
        nav_start,
        lag(nav_end) over (
            partition by run_id, sleeve, engine, risk_profile order by window_ordinal, record_seq
        ) as previous_nav_end,
        record_seq,
        record_hash,
        run_id
    from {{ ref('fct_window_metrics') }}

),

nav_discontinuous as (

    select
        'nav_discontinuous' as rule,
        decision_id as subject,
        'NAV starts at ' || nav_start || ', the window before ended at '
        || previous_nav_end as detail,
        nav_start as value,
        previous_nav_end as threshold,
        record_seq,
        record_hash,
        run_id
    from nav_joints
    where abs(nav_start - previous_nav_end) > {{ var('nav_tolerance') }} * abs(previous_nav_end)

),

return_equations as (

    select
        'return_equation_broken' as rule,
        decision_id || ' ' || return_date as subject,
        'net return is not gross return less cost, or not the change of NAV' as detail,
        net_return as value,
        gross_return - cost as threshold,
        record_seq,
        record_hash,
        run_id
    from {{ ref('int_returns_stitched_across_windows') }}
    where
        abs(net_return - (gross_return - cost)) > {{ var('nav_tolerance') }}
        or abs(nav - previous_nav * (1 + net_return))
        > {{ var('nav_tolerance') }} * abs(nav)

),

turnovers as (

    select
        'turnover_differs' as rule,
        decision_id as subject,
        'holdings and targets give another turnover than the one recorded' as detail,
        turnover_one_way as value,
        turnover_recomputed as threshold,
        record_seq,
        record_hash,
        run_id
    from {{ ref('fct_turnover') }}
    where abs(turnover_one_way - turnover_recomputed) > {{ var('recomputation_tolerance') }}

),

metrics as (

    select
        'metric_differs' as rule,
        decision_id || ' ' || basis || ' ' || metric as subject,
        'the stitched returns give another value than the one recorded' as detail,
        recorded_value as value,
        recomputed_value as threshold,
        record_seq,
        record_hash,
        run_id
    from {{ ref('fct_metric_checks') }}
    where not is_equal

),

flattenings as (

    select
        'flattening_not_conserved' as rule,
        decision_id as subject,
        'net, gross and cash of the symbols are not those of the sleeves' as detail,
        net_recomputed as value,
        net_expected as threshold,
        record_seq,
        record_hash,
        run_id
    from {{ ref('fct_flattenings') }}
    where
        abs(net_recomputed - net_expected) > {{ var('weight_tolerance') }}
        or abs(gross_recomputed - gross_expected) > {{ var('weight_tolerance') }}
        or abs(net_recomputed + cash_weight - 1) > {{ var('weight_tolerance') }}
        or not is_conserved

),

found as (

    {% set rules = [
        'decisions_repeated', 'intents_orphaned', 'records_repeated', 'outcomes_unmatched', 'run_counts',
        'result_digests', 'upstream_digests', 'looks_ahead', 'weights_not_summing',
        'caps_breached', 'caps_hidden', 'nav_discontinuous', 'return_equations', 'turnovers',
        'metrics', 'flattenings',
    ] %}
    {% for rule in rules %}
    select
        rule,
        subject,
        detail,
        value,
        threshold,
        record_seq,
        record_hash,
        run_id
    from {{ rule }}
    {{ 'union all' if not loop.last }}
    {% endfor %}

),

final as (

    select
        record_seq || '.' || rule || '.' || row_number() over (
            partition by record_seq, rule order by subject, detail
        ) as finding_id,
        rule,
        subject,
        detail,
        value,
        threshold,
        record_seq,
        record_hash,
        run_id
    from found

)

select * from final

with

ranked as (

    select
        scores.record_seq,
        scores.record_hash,
        scores.run_id,
        decisions.sleeve,
        scores.rule,
        scores.trial_count,
        scores.expected_maximum_sharpe,
        scores.overfitting_probability,
        scores.loss_probability,
        unnest(scores.ranked) as entry,
        generate_subscripts(scores.ranked, 1) as position
    from {{ taken('stg_ledger__scores', 'scores') }}

),

broken as (

    select
        scores.record_seq,
        scores.record_hash,
        scores.run_id,
        decisions.sleeve,
        scores.rule,
        scores.trial_count,
        scores.expected_maximum_sharpe,
        scores.overfitting_probability,
        scores.loss_probability,
        unnest(scores.failed) as entry,
        generate_subscripts(scores.failed, 1) as position
    from {{ taken('stg_ledger__scores', 'scores') }}

),

listed as (

    select
        record_seq || '.' || position as score_id,
        sleeve,
        entry.cell,
        rule,
        entry.rank as score_rank,
        entry.windows as window_count,
        entry.failed_windows as failed_window_count,
        entry.fallbacks as fallback_count,
        entry.net.annual_return as net_annual_return,
        entry.gross.annual_return as gross_annual_return,
        entry.net.volatility as net_volatility,
        entry.net.sharpe as net_sharpe,
        entry.net.max_drawdown as net_max_drawdown,
        entry.turnover_one_way_annual,
        entry.costs_total as cost_total,
        entry.probabilistic_sharpe,
        entry.deflated_sharpe,
        entry.excess_sharpe,
        entry.excess_annual_return,
        trial_count,
        expected_maximum_sharpe,
        overfitting_probability,
        loss_probability,
        cast(null as varchar) as failure,
        record_seq,
        record_hash,
        run_id
    from ranked
    union all
    select
        record_seq || '.f' || position as score_id,
        sleeve,
        entry.cell,
        rule,
        null as score_rank,
        entry.windows as window_count,
        entry.failed_windows as failed_window_count,
        null as fallback_count,
        null as net_annual_return,
        null as gross_annual_return,
        null as net_volatility,
        null as net_sharpe,
        null as net_max_drawdown,
        null as turnover_one_way_annual,
        null as cost_total,
        null as probabilistic_sharpe,
        null as deflated_sharpe,
        null as excess_sharpe,
        null as excess_annual_return,
        trial_count,
        expected_maximum_sharpe,
        overfitting_probability,
        loss_probability,
        entry.code || ' ' || entry.what as failure,
        record_seq,
        record_hash,
        run_id
    from broken

),

trials as (

    select
        trials.run_id,
        trials.skewness,
        trials.kurtosis,
        decisions.sleeve,
        decisions.engine || '.' || decisions.risk_profile as cell
    from {{ taken('stg_ledger__trials', 'trials') }}

),

final as (

    select
        listed.score_id,
        listed.sleeve,
        split_part(listed.cell, '.', 1) as engine,
        split_part(listed.cell, '.', 2) as risk_profile,
        listed.rule,
        listed.score_rank,
        listed.window_count,
        listed.failed_window_count,
        listed.fallback_count,
        listed.net_annual_return,
        listed.gross_annual_return,
        listed.net_volatility,
        listed.net_sharpe,
        listed.net_max_drawdown,
        listed.turnover_one_way_annual,
        listed.cost_total,
        trials.skewness,
        trials.kurtosis,
        listed.probabilistic_sharpe,
        listed.deflated_sharpe,
        listed.excess_sharpe,
        listed.excess_annual_return,
        listed.trial_count,
        listed.expected_maximum_sharpe,
        listed.overfitting_probability,
        listed.loss_probability,
        listed.failure,
        listed.record_seq,
        listed.record_hash,
        listed.run_id
    from listed
    left join trials
        on
            listed.run_id = trials.run_id
            and listed.sleeve = trials.sleeve
            and listed.cell = trials.cell

)

select * from final

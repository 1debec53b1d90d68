with

totals as (

    select
        record_seq,
        count(*) as symbol_count,
        sum(net_weight order by symbol) as net_recomputed,
        sum(gross_weight order by symbol) as gross_recomputed
    from {{ ref('fct_flattened_weights') }}
    group by record_seq

),

final as (

    select
        cast(decisions.outcome_seq as varchar) as flattening_id,
        {{ decision_columns() }},
        coalesce(totals.symbol_count, 0) as symbol_count,
        flattenings.cash_weight,
        flattenings.net_total,
        flattenings.gross_total,
        flattenings.net_expected,
        flattenings.gross_expected,
        coalesce(totals.net_recomputed, 0) as net_recomputed,
        coalesce(totals.gross_recomputed, 0) as gross_recomputed,
        flattenings.is_conserved,
        {{ outcome_evidence() }}
    from {{ taken('stg_ledger__flattenings', 'flattenings') }}
    left join totals
        on flattenings.record_seq = totals.record_seq

)

select * from final

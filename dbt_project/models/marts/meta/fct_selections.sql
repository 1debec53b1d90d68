with

universe as (

    select
        record_seq,
        relaxed_round,
        selected,
        unnest(universe) as symbol
    from {{ ref('stg_ledger__selections') }}

),

features as (

    select
        record_seq,
        feature.symbol,
        feature.momentum,
        feature.volatility,
        feature.entropy,
        feature.hurst,
        feature.efficiency
    from (
        select
            record_seq,
            unnest(features) as feature
        from {{ ref('stg_ledger__selections') }}
    ) as unnested

),

scores as (

    select
        record_seq,
        score.symbol,
        score.score,
        score.rank
    from (
        select
            record_seq,
            unnest(scores) as score
        from {{ ref('stg_ledger__selections') }}
    ) as unnested

),

clusters as (

    select
        record_seq,
        cluster.cluster,
        unnest(cluster.symbols) as symbol
    from (
        select
            record_seq,
            unnest(clusters) as cluster
        from {{ ref('stg_ledger__selections') }}
    ) as unnested

),

vetoed as (

    select
        record_seq,
        symbol,
        bool_or(not is_passed) as is_vetoed
    from {{ ref('fct_vetoes') }}
    group by record_seq, symbol

),

final as (

    select
        universe.record_seq || '.' || universe.symbol as selection_id,
        {{ decision_columns() }},
        universe.symbol,
        list_contains(universe.selected, universe.symbol) as is_selected,
        coalesce(vetoed.is_vetoed, false) as is_vetoed,
        universe.relaxed_round,
        scores.score,
        scores.rank,
        clusters.cluster,
        features.momentum,
        features.volatility,
        features.entropy,
        features.hurst,
        features.efficiency,
        {{ outcome_evidence() }}
    from universe
    inner join {{ ref('int_decisions_taken') }} as decisions
        on universe.record_seq = decisions.outcome_seq
    left join features
        on universe.record_seq = features.record_seq and universe.symbol = features.symbol
    left join scores
        on universe.record_seq = scores.record_seq and universe.symbol = scores.symbol
    left join clusters
        on universe.record_seq = clusters.record_seq and universe.symbol = clusters.symbol
    left join vetoed
        on universe.record_seq = vetoed.record_seq and universe.symbol = vetoed.symbol

)

select * from final

{{ config(materialized='table', meta={'grows_by': 'run'}) }}
with

final as (

    select
        cast(decisions.outcome_seq as varchar) as regime_id,
        {{ decision_columns() }},
        regimes.regime,
        regimes.score,
        regimes.observation_count,
        {{ outcome_evidence() }}
    from {{ taken('stg_ledger__regimes', 'regimes') }}

)

select * from final

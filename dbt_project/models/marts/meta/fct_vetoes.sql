{{ config(materialized='table', meta={'grows_by': 'run'}) }}
with

verdicts as (

    select
        record_seq,
        unnest(verdicts) as verdict
    from {{ ref('stg_ledger__selections') }}

),

final as (

    select
        verdicts.record_seq
        || '.' || verdicts.verdict.symbol
        || '.' || verdicts.verdict.rule as veto_id,
        {{ decision_columns() }},
        verdicts.verdict.symbol,
        verdicts.verdict.rule,
        verdicts.verdict.value,
        verdicts.verdict."limit" as threshold,
        verdicts.verdict.passed as is_passed,
        {{ outcome_evidence() }}
    from verdicts
    inner join {{ ref('int_decisions_taken') }} as decisions
        on verdicts.record_seq = decisions.outcome_seq

)

select * from final

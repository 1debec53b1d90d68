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
        || '.' || {{ json_text('verdicts.verdict', 'symbol') }}
        || '.' || {{ json_text('verdicts.verdict', 'rule') }} as veto_id,
        {{ decision_columns() }},
        {{ json_text('verdicts.verdict', 'symbol') }} as symbol,
        {{ json_text('verdicts.verdict', 'rule') }} as rule,
        {{ json_number('verdicts.verdict', 'value') }} as value,
        {{ json_number('verdicts.verdict', 'limit') }} as threshold,
        {{ json_flag('verdicts.verdict', 'passed') }} as is_passed,
        {{ outcome_evidence() }}
    from verdicts
    inner join {{ ref('int_decisions_taken') }} as decisions
        on verdicts.record_seq = decisions.outcome_seq

)

select * from final

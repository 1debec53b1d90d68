with

final as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        {{ json_text('result', 'requested.engine') }} as requested_engine,
        {{ json_text('result', 'requested.risk_profile') }} as requested_risk_profile,
        {{ json_text('result', 'actual.engine') }} as actual_engine,
        {{ json_text('result', 'actual.risk_profile') }} as actual_risk_profile,
        {{ json_text('result', 'status') }} as solver_status,
        {{ json_text('result', 'caps.regime') }} as regime,
        {{ json_text('result', 'caps.rule') }} as cap_rule,
        {{ json_text('result', 'slice_sha256') }} as slice_sha256,
        {{ json_part('result', 'residuals') }} as residuals,
        {{ json_number('result', 'objective') }} as objective,
        {{ json_count('result', 'iterations') }} as iterations,
        {{ json_number('result', 'cash') }} as cash_weight,
        {{ json_number('result', 'caps.symbol_cap') }} as symbol_cap,
        {{ json_number('result', 'caps.cluster_cap') }} as cluster_cap,
        {{ json_number('result', 'caps.symbol_cap_requested') }} as symbol_cap_requested,
        {{ json_number('result', 'caps.cluster_cap_requested') }} as cluster_cap_requested,
        {{ json_date('result', 'as_of') }} as result_as_of_date,
        {{ json_number_entries('result', 'weights') }} as weights,
        {{ json_items('result', 'constraints') }} as constraints,
        {{ json_items('result', 'dropped') }} as dropped,
        {{ json_items('result', 'fallbacks') }} as fallbacks
    from {{ ref('stg_ledger__results') }}
    where step = 'optimize'

)

select * from final

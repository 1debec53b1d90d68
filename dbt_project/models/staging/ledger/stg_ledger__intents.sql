with

final as (

    select
        ---------- ids
        record_seq,
        record_hash,
        run_id,
        decision_id,

        ---------- strings
        step,
        {{ json_text('data', 'stage') }} as stage,
        {{ json_text('data', 'sleeve') }} as sleeve,
        {{ json_text('data', 'cell.engine') }} as engine,
        {{ json_text('data', 'cell.risk_profile') }} as risk_profile,
        {{ json_text('inputs', 'snapshot') }} as snapshot_sha256,
        {{ json_text('data', 'slice.field') }} as slice_field,
        {{ json_text('data', 'slice.sha256') }} as slice_sha256,
        {{ json_part('data', 'params') }} as params,
        {{ params_hash_of('line') }} as params_sha256,

        ---------- lists
        {{ json_text_entries('data', 'upstream') }} as upstream,

        ---------- numerics
        {{ json_count('data', 'seed') }} as seed,
        {{ json_count('data', 'window.ordinal') }} as window_ordinal,
        {{ json_count('data', 'slice.rows') }} as slice_row_count,
        {{ json_count('data', 'slice.columns') }} as slice_column_count,

        ---------- dates and timestamps
        {{ json_date('data', 'as_of') }} as as_of_date,
        {{ json_date('data', 'window.train_first') }} as train_first_date,
        {{ json_date('data', 'window.train_last') }} as train_last_date,
        {{ json_date('data', 'window.test_first') }} as test_first_date,
        {{ json_date('data', 'window.test_last') }} as test_last_date,
        {{ json_date('data', 'slice.first') }} as slice_first_date,
        {{ json_date('data', 'slice.last') }} as slice_last_date,
        recorded_at as intended_at
    from {{ ref('stg_ledger__records') }}
    where record_type = 'intent'

)

select * from final

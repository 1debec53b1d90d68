{{ config(materialized='table', meta={'grows_by': 'record'}) }}
-- A table, so that the JSON of each record is parsed in one build only.
with

parsed as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        step,
        recorded_at,
        {{ json_text('inputs', 'snapshot') }} as snapshot_sha256,
        {{ part_hash_of('line', "'\"params\":'", "',\"seed\":'") }} as params_sha256,
        {% call json_struct('line') %}{"data": {
            "stage": "VARCHAR", "sleeve": "VARCHAR", "as_of": "DATE", "seed": "BIGINT",
            "cell": {"engine": "VARCHAR", "risk_profile": "VARCHAR"},
            "window": {
                "ordinal": "BIGINT", "train_first": "DATE", "train_last": "DATE",
                "test_first": "DATE", "test_last": "DATE"
            },
            "slice": {
                "field": "VARCHAR", "first": "DATE", "last": "DATE", "rows": "BIGINT",
                "columns": "BIGINT", "sha256": "VARCHAR"
            },
            "params": "JSON", "upstream": "MAP(VARCHAR, VARCHAR)"
        }}{% endcall %}.data as intent
    from {{ ref('stg_ledger__records') }}
    where record_type = 'intent'

),

final as (

    select
        ---------- ids
        record_seq,
        record_hash,
        run_id,
        decision_id,

        ---------- strings
        step,
        intent.stage,
        intent.sleeve,
        intent.cell.engine,
        intent.cell.risk_profile,
        snapshot_sha256,
        intent.slice.field as slice_field,
        intent.slice.sha256 as slice_sha256,
        params_sha256,

        ---------- documents
        intent.params,
        {{ map_entries_ordered('intent.upstream') }} as upstream,

        ---------- numerics
        intent.seed,
        intent."window".ordinal as window_ordinal,
        intent.slice.rows as slice_row_count,
        intent.slice.columns as slice_column_count,

        ---------- dates and timestamps
        intent.as_of as as_of_date,
        intent."window".train_first as train_first_date,
        intent."window".train_last as train_last_date,
        intent."window".test_first as test_first_date,
        intent."window".test_last as test_last_date,
        intent.slice.first as slice_first_date,
        intent.slice.last as slice_last_date,
        recorded_at as intended_at
    from parsed

)

select * from final

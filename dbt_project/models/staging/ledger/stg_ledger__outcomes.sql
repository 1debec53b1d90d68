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
        status,
        recorded_at,
        line,
        {% call json_struct('outputs') %}{"result": "VARCHAR", "snapshot": "VARCHAR"}{% endcall %} as blobs,
        {% call json_struct('line') %}{"data": {
            "result_sha256": "VARCHAR", "upstream_sha256": "MAP(VARCHAR, VARCHAR)",
            "result": {"as_of": "DATE"},
            "error": {
                "code": "VARCHAR", "what": "VARCHAR", "where": "VARCHAR", "why": "VARCHAR",
                "fix": "VARCHAR"
            },
            "observed": {"seconds": "DOUBLE"}
        }}{% endcall %}.data as outcome
    from {{ ref('stg_ledger__records') }}
    where record_type = 'outcome'

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
        status as outcome_status,
        outcome.result_sha256,
        case
            when blobs.result is not null then blobs.result
            when status = 'ok'
                then {{ part_hash_of(
                    'line', "'\"result\":'", "',\"result_sha256\":\"' || outcome.result_sha256"
                ) }}
        end as result_sha256_recomputed,
        blobs.result as document_sha256,
        blobs.snapshot as snapshot_sha256,
        outcome.upstream_sha256,
        outcome.error.code as error_code,
        outcome.error.what as error_what,
        outcome.error."where" as error_where,
        outcome.error.why as error_why,
        outcome.error.fix as error_fix,

        ---------- numerics
        outcome.observed.seconds as observed_seconds,

        ---------- dates and timestamps
        outcome.result.as_of as result_as_of_date,
        recorded_at as decided_at
    from parsed

)

select * from final

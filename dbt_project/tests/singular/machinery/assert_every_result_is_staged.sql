-- A result of a step that no staging model reads, or whose blob was not loaded, would be invisible.
-- A blob may be missing only if a redaction names it.
with

erased as (

    select distinct json_extract_string(data, '$.blob') as document_sha256
    from {{ ref('stg_ledger__custody_records') }}
    where record_type = 'redaction'

)

select
    outcomes.record_seq,
    outcomes.step,
    results.record_seq is null as is_missing
from {{ ref('stg_ledger__outcomes') }} as outcomes
left join {{ ref('stg_ledger__results') }} as results
    on outcomes.record_seq = results.record_seq
left join erased
    on outcomes.document_sha256 = erased.document_sha256
where
    outcomes.outcome_status = 'ok'
    and (
        (results.record_seq is null and erased.document_sha256 is null)
        or outcomes.step not in (
            'ingest', 'assess', 'detect', 'select', 'optimize', 'rebalance', 'simulate',
            'measure', 'compose', 'flatten', 'trial', 'score', 'replay', 'certify', 'build'
        )
    )

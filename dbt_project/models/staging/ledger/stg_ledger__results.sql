with

successes as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        step,
        {{ json_text('outputs', 'result') }} as document_sha256,
        {% call json_struct('line') %}{"data": {"result": "JSON"}}{% endcall %}.data.result as inline_result
    from {{ ref('stg_ledger__records') }}
    where record_type = 'outcome' and status = 'ok'

),

final as (

    select
        successes.record_seq,
        successes.record_hash,
        successes.run_id,
        successes.decision_id,
        successes.step,
        -- A result too long for a line stands in a blob.
        coalesce(successes.inline_result, documents.document) as result
    from successes
    left join {{ ref('stg_ledger__documents') }} as documents
        on successes.document_sha256 = documents.document_sha256
    -- NULL where the blob was erased; a test says that nothing else is missing.
    where coalesce(successes.inline_result, documents.document) is not null

)

select * from final

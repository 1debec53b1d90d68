-- An auditor must find every record again: each is in exactly one staging model of its kind.
with

staged as (

    select record_seq from {{ ref('stg_ledger__custody_records') }}
    union all
    select record_seq from {{ ref('stg_ledger__openings') }}
    union all
    select record_seq from {{ ref('stg_ledger__closings') }}
    union all
    select record_seq from {{ ref('stg_ledger__intents') }}
    union all
    select record_seq from {{ ref('stg_ledger__outcomes') }}

),

counted as (

    select
        record_seq,
        count(*) as staged_count
    from staged
    group by record_seq

)

select
    records.record_seq,
    records.record_type,
    records.step
from {{ ref('stg_ledger__records') }} as records
left join counted
    on records.record_seq = counted.record_seq
where counted.staged_count is distinct from 1

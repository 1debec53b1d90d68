-- A result of a step that no staging model reads, or whose blob was not loaded, would be invisible.
select
    record_seq,
    step,
    result is null as is_missing
from {{ ref('stg_ledger__results') }}
where
    result is null
    or step not in (
        'ingest', 'assess', 'detect', 'select', 'optimize', 'rebalance', 'simulate', 'measure',
        'compose', 'flatten', 'replay', 'build'
    )

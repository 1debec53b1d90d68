-- Every intent is one row of `fct_intents`; without outcome it is listed as open or orphan.
select
    intents.record_seq,
    listed.pairing
from {{ ref('stg_ledger__intents') }} as intents
left join {{ ref('fct_intents') }} as listed
    on intents.record_seq = listed.record_seq
where
    listed.record_seq is null
    or (listed.outcome_count = 0) != (listed.pairing in ('open', 'orphan', 'repeated'))
    or (listed.outcome_count > 0) != (listed.pairing = 'paired')

-- No gap in seq, every hash recomputes from its line, every record names the one before, time does
-- not run backwards, and every signed root is that of the records.
select *
from {{ ref('fct_ledger_integrity') }}
where not is_intact

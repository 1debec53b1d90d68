-- No decision uses rows after its date.
select
    subject,
    detail,
    value,
    threshold
from {{ ref('fct_findings') }}
where rule in ('look_ahead')

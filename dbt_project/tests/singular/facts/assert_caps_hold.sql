-- No weight and no cluster exceeds the cap in force.
select
    subject,
    detail,
    value,
    threshold
from {{ ref('fct_findings') }}
where rule in ('cap_breached')

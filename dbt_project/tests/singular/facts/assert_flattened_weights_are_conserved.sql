-- The symbols of a flattened meta-portfolio add up to its sleeves.
select
    subject,
    detail,
    value,
    threshold
from {{ ref('fct_findings') }}
where rule in ('flattening_not_conserved')

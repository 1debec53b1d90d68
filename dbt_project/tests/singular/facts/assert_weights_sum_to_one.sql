-- Weights and cash of every optimisation sum to one.
select
    subject,
    detail,
    value,
    threshold
from {{ ref('fct_findings') }}
where rule in ('weights_not_summing')

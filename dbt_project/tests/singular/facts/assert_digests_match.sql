-- Every result has the digest it states, and every decision used the results it names.
select
    subject,
    detail,
    value,
    threshold
from {{ ref('fct_findings') }}
where rule in ('result_digest_differs', 'upstream_digest_differs')

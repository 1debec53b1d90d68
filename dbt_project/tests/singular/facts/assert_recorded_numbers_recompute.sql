-- Metrics and turnover are what SQL finds from the same records; the ledger is the evidence.
select
    subject,
    detail,
    value,
    threshold
from {{ ref('fct_findings') }}
where rule in ('metric_differs', 'turnover_differs')

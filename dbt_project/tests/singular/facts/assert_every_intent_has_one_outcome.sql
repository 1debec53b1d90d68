-- Every intent of a closed run has one outcome, every outcome one intent, and the counts agree.
select
    subject,
    detail,
    value,
    threshold
from {{ ref('fct_findings') }}
where rule in (
    'intent_orphaned', 'outcome_unmatched', 'outcome_repeated', 'decision_repeated',
    'record_repeated', 'run_count_differs'
)

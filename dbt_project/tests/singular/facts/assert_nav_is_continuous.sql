-- NAV at the end of a window is NAV at the start of the next, and net return is its change.
select
    subject,
    detail,
    value,
    threshold
from {{ ref('fct_findings') }}
where rule in ('nav_discontinuous', 'return_equation_broken')

-- Rules that recorded facts break, those of this run first.
select
    run_id, rule, subject, detail, value, threshold, record_seq, record_hash
from health.fct_findings
order by run_id <> $run_id, record_seq, finding_id

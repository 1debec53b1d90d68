-- Manifests that runs used, with the approval that stood before the first use.
select
    m.manifest_id, m.profile, m.run_count, m.first_used_at,
    (
        select min(a.record_seq) from meta.fct_approvals as a
        where a.action = 'approve' and a.digest = m.manifest_id and a.record_seq < m.record_seq
    ) as approval_seq,
    m.record_seq, m.record_hash
from meta.dim_manifests as m
order by m.record_seq

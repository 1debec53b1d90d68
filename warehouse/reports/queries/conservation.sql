-- Whether flattening kept every fraction: totals expected, recorded and recomputed.
select
    engine, risk_profile,
    count(*) as flattenings,
    count(*) filter (where is_conserved) as conserved,
    max(abs(net_total - net_expected)) as largest_net_difference,
    max(abs(gross_total - gross_expected)) as largest_gross_difference,
    max(abs(net_total - net_recomputed)) as largest_recomputed_difference,
    max(record_seq) as record_seq,
    arg_max(record_hash, record_seq) as record_hash
from meta.fct_flattenings
where run_id = $run_id
group by engine, risk_profile
order by engine, risk_profile

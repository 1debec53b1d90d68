-- Which cell stands for which sleeve of the meta-portfolio.
select
    sleeve, is_dropped, requested_engine, requested_risk_profile, used_engine, used_risk_profile,
    is_proxy, reason, record_seq, record_hash
from meta.bdg_sleeves
where run_id = $run_id
order by record_seq, sleeve

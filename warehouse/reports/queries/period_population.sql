-- Decisions of the period by kind of run and step, over the whole ledger, with orders computed.
with orders as (
    select decision_id, count(*) as orders
    from meta.fct_trades
    group by decision_id
)

select
    r.kind,
    i.step,
    count(distinct i.run_id) as runs,
    count(*) as intents,
    count(i.outcome_seq) as outcomes,
    cast(coalesce(sum(o.orders), 0) as bigint) as orders,
    min(i.as_of_date) as first_date,
    max(i.as_of_date) as last_date,
    min(i.record_seq) as record_seq,
    arg_min(i.record_hash, i.record_seq) as record_hash
from health.fct_intents as i
inner join meta.dim_runs as r on i.run_id = r.run_id
left join orders as o on i.decision_id = o.decision_id
group by r.kind, i.step
order by r.kind, i.step

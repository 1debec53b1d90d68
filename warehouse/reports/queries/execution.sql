-- Turnover, orders, drift and modelled cost of every book of the run.
select
    w.sleeve, w.engine, w.risk_profile,
    count(*) as windows,
    cast(sum(t.trade_count) as bigint) as orders,
    sum(w.turnover_one_way order by w.window_ordinal) as turnover,
    max(t.largest_drift) as largest_drift,
    sum(w.slippage_cost order by w.window_ordinal) as slippage,
    sum(w.commission_cost order by w.window_ordinal) as commission,
    sum(w.cost_total order by w.window_ordinal) as cost,
    max(w.cost_total) as largest_cost,
    min(w.record_seq) as record_seq,
    arg_min(w.record_hash, w.record_seq) as record_hash
from metrics.fct_window_metrics as w
left join metrics.fct_turnover as t
    on
        w.run_id = t.run_id and w.sleeve = t.sleeve and w.engine = t.engine
        and w.risk_profile = t.risk_profile and w.window_ordinal = t.window_ordinal
where w.run_id = $run_id
group by w.sleeve, w.engine, w.risk_profile
order by min(w.record_seq)

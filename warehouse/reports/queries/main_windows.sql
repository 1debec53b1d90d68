-- Turnover, cost and return of the main cell, window by window.
select
    w.window_ordinal, w.first_date, w.last_date, w.net_return, w.turnover_one_way,
    w.slippage_cost, w.commission_cost, w.cost_total, t.trade_count, t.largest_drift, t.urgency,
    w.record_seq, w.record_hash
from metrics.fct_window_metrics as w
left join metrics.fct_turnover as t
    on
        w.run_id = t.run_id and w.sleeve = t.sleeve and w.engine = t.engine
        and w.risk_profile = t.risk_profile and w.window_ordinal = t.window_ordinal
where
    w.run_id = $run_id and w.sleeve = $sleeve and w.engine = $engine
    and w.risk_profile = $risk_profile
order by w.window_ordinal

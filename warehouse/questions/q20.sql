with chosen as (
    select coalesce(
        $run_id,
        (select max_by(run_id, record_seq) from metrics.fct_window_metrics)
    ) as run_id
)

select
    windows.as_of_date,
    windows.sleeve,
    windows.engine,
    windows.risk_profile,
    windows.turnover_one_way,
    (windows.gross_return - windows.net_return) * 10000 as shortfall_bps,
    windows.slippage_cost * 10000 as slippage_bps,
    windows.commission_cost * 10000 as commission_bps,
    windows.cost_total * 10000 as cost_bps,
    case
        when windows.turnover_one_way > 0
            then windows.cost_total * 10000 / (2 * windows.turnover_one_way)
    end as cost_bps_of_traded_value,
    windows.decision_id,
    windows.record_seq,
    windows.record_hash
from metrics.fct_window_metrics as windows
inner join chosen
    on windows.run_id = chosen.run_id
where $sleeve is null or windows.sleeve = $sleeve
order by windows.sleeve, windows.engine, windows.risk_profile, windows.as_of_date

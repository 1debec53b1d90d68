-- The newest closed backtest run in the snapshot.
select run_id
from meta.dim_runs
where kind = 'backtest' and close_status <> 'open'
order by record_seq desc
limit 1

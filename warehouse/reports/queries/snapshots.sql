-- Prices that the run read or composed.
select
    s.step, s.sleeve, s.source, s.calendar, s.periods_per_year, s.price_field, s.symbol_count,
    s.symbols, s.first_date, s.last_date, s.row_count, s.bar_count, s.snapshot_sha256,
    s.logical_sha256, s.record_seq, s.record_hash
from meta.dim_snapshots as s
where s.run_id = $run_id
order by s.record_seq

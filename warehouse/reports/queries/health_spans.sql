-- Runs of windows in which a symbol kept one status.
with numbered as (
    select
        sleeve, symbol, status, window_ordinal, as_of_date, reasons, record_seq, record_hash,
        window_ordinal - row_number() over (
            partition by sleeve, symbol, status order by window_ordinal
        ) as island
    from health.fct_asset_health
    where run_id = $run_id and window_ordinal is not null
)

select
    sleeve, symbol, status,
    min(window_ordinal) as first_window,
    max(window_ordinal) as last_window,
    min(as_of_date) as first_date,
    max(as_of_date) as last_date,
    arg_min(reasons, window_ordinal) as reasons,
    min(record_seq) as record_seq,
    arg_min(record_hash, record_seq) as record_hash
from numbered
group by sleeve, symbol, status, island
order by sleeve, symbol, first_window

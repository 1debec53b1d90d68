-- Symbols that were not healthy for a while, and what they were afterwards.
select
    s.sleeve, s.symbol, s.status, s.previous_status, s.first_as_of_date, s.last_as_of_date,
    s.check_count, s.reasons, n.status as next_status, s.record_seq, s.record_hash
from health.fct_status_spells as s
left join health.fct_status_spells as n
    on
        s.run_id = n.run_id and s.sleeve = n.sleeve and s.symbol = n.symbol
        and s.spell_number + 1 = n.spell_number
where
    s.run_id = $run_id and s.status not in ('ok', 'closed')
    and s.last_as_of_date >= cast($first as date) and s.first_as_of_date <= cast($last as date)
order by s.record_seq, s.sleeve, s.symbol

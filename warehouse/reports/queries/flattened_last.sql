-- The flattened weights of the last window, with the sleeves that hold each.
with newest as (
    select decision_id
    from meta.fct_flattenings
    where run_id = $run_id
    order by window_ordinal desc, record_seq desc
    limit 1
)

select
    f.as_of_date, f.symbol, f.net_weight, f.gross_weight,
    string_agg(
        p.sleeve_path || ' (' || printf('%.2f %%', 100 * p.sleeve_weight) || ')', ', '
        order by p.sleeve_path
    ) as paths,
    any_value(f.record_seq) as record_seq,
    any_value(f.record_hash) as record_hash
from meta.fct_flattened_weights as f
inner join newest using (decision_id)
left join meta.bdg_flattened_paths as p
    on f.decision_id = p.decision_id and f.symbol = p.symbol
group by f.as_of_date, f.symbol, f.net_weight, f.gross_weight
order by f.net_weight desc, f.symbol

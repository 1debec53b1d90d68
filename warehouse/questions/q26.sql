select
    depth,
    relation,
    column_name,
    layer,
    expression,
    read_by
from meta.column_lineage
where target = coalesce($column, 'metrics.fct_run_metrics.net_sharpe')
order by depth, relation, column_name, read_by

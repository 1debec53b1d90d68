select
    weights.as_of_date,
    weights.decision_id,
    weights.symbol,
    weights.weight,
    checks.status,
    checks.reasons,
    checks.gate,
    checks.is_strict,
    spells.first_as_of_date as failing_since,
    spells.check_count as checks_failed_in_a_row,
    checks.decision_id as checked_by,
    checks.record_seq as check_seq,
    checks.record_hash as check_hash,
    weights.record_seq,
    weights.record_hash
from metrics.fct_weights as weights
inner join meta.dim_runs as runs
    on weights.run_id = runs.run_id
inner join health.fct_asset_health as checks
    on
        weights.run_id = checks.run_id
        and weights.sleeve = checks.sleeve
        and weights.as_of_date = checks.as_of_date
        and weights.symbol = checks.symbol
left join health.fct_status_spells as spells
    on
        checks.run_id = spells.run_id
        and checks.sleeve = spells.sleeve
        and checks.symbol = spells.symbol
        and checks.as_of_date between spells.first_as_of_date and spells.last_as_of_date
where
    runs.kind = coalesce($kind, 'rebalance')
    and checks.status not in ('ok', 'closed')
    and weights.weight != 0
    and ($run_id is null or weights.run_id = $run_id)
order by weights.as_of_date, weights.decision_id, weights.symbol

with chosen as (
    select coalesce(
        $run_id,
        (select max_by(run_id, record_seq) from metrics.fct_weights)
    ) as run_id
),

held as (
    select weights.*
    from metrics.fct_weights as weights
    inner join chosen
        on weights.run_id = chosen.run_id
    where $sleeve is null or weights.sleeve = $sleeve
),

cells as (
    select distinct
        sleeve,
        as_of_date,
        decision_id,
        engine,
        risk_profile,
        record_seq
    from held
),

pairs as (
    select
        one.sleeve,
        one.as_of_date,
        one.engine || '.' || one.risk_profile as cell_a,
        other.engine || '.' || other.risk_profile as cell_b,
        one.decision_id as decision_a,
        other.decision_id as decision_b,
        one.record_seq as record_seq_a,
        other.record_seq as record_seq_b
    from cells as one
    inner join cells as other
        on
            one.sleeve = other.sleeve
            and one.as_of_date = other.as_of_date
            and one.engine || '.' || one.risk_profile < other.engine || '.' || other.risk_profile
),

differences as (
    select
        sides.record_seq_a,
        sides.record_seq_b,
        sides.symbol,
        sum(sides.weight order by sides.side) as difference
    from (
        select
            pairs.record_seq_a,
            pairs.record_seq_b,
            held.symbol,
            held.weight,
            0 as side
        from pairs
        inner join held
            on pairs.decision_a = held.decision_id
        union all
        select
            pairs.record_seq_a,
            pairs.record_seq_b,
            held.symbol,
            -held.weight as weight,
            1 as side
        from pairs
        inner join held
            on pairs.decision_b = held.decision_id
    ) as sides
    group by sides.record_seq_a, sides.record_seq_b, sides.symbol
),

distances as (
    select
        record_seq_a,
        record_seq_b,
        sum(abs(difference) order by symbol) / 2 as distance
    from differences
    group by record_seq_a, record_seq_b
),

capped as (
    select
        usage.decision_id,
        count(*) filter (where usage.is_binding) as binding_caps
    from metrics.fct_cap_usage as usage
    inner join chosen
        on usage.run_id = chosen.run_id
    where usage.kind in ('symbol_cap', 'cluster_cap')
    group by usage.decision_id
)

select
    pairs.sleeve,
    pairs.cell_a,
    pairs.cell_b,
    count(*) as windows,
    count(*) filter (
        where distances.distance * 10000 <= coalesce($distance_bps, 10)
    ) as windows_converged,
    min(distances.distance) * 10000 as closest_bps,
    max(distances.distance) * 10000 as farthest_bps,
    avg(coalesce(capped.binding_caps, 0) order by pairs.record_seq_a) as binding_caps_a,
    max(pairs.as_of_date) filter (
        where distances.distance * 10000 <= coalesce($distance_bps, 10)
    ) as last_converged,
    max_by(pairs.record_seq_a, pairs.record_seq_a) filter (
        where distances.distance * 10000 <= coalesce($distance_bps, 10)
    ) as record_seq_a,
    max_by(pairs.record_seq_b, pairs.record_seq_a) filter (
        where distances.distance * 10000 <= coalesce($distance_bps, 10)
    ) as record_seq_b
from pairs
inner join distances
    on pairs.record_seq_a = distances.record_seq_a and pairs.record_seq_b = distances.record_seq_b
left join capped
    on pairs.decision_a = capped.decision_id
group by pairs.sleeve, pairs.cell_a, pairs.cell_b
having windows_converged > 0
order by windows_converged desc, pairs.sleeve, pairs.cell_a, pairs.cell_b

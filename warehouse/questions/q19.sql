with ordered as (
    select
        orders.decision_id,
        orders.trade_count,
        upstreams.upstream_decision_id,
        upstreams.is_match,
        behind.pairing,
        behind.outcome_status,
        behind.is_superseded,
        orders.record_seq,
        orders.record_hash,
        orders.run_id
    from metrics.fct_turnover as orders
    left join meta.bdg_decision_upstreams as upstreams
        on orders.decision_id = upstreams.decision_id and upstreams.role = 'weights'
    left join health.fct_intents as behind
        on upstreams.upstream_decision_id = behind.decision_id and behind.pairing != 'repeated'
),

strayed as (
    select
        ordered.decision_id,
        trades.symbol,
        trades.target_weight,
        weights.weight
    from ordered
    inner join meta.fct_trades as trades
        on ordered.decision_id = trades.decision_id
    left join metrics.fct_weights as weights
        on
            ordered.upstream_decision_id = weights.decision_id
            and trades.symbol = weights.symbol
    where
        ordered.outcome_status = 'ok'
        and abs(trades.target_weight - coalesce(weights.weight, 0)) > 1e-9
)

select
    decision_id as ordered_by,
    case
        when upstream_decision_id is null then 'names no decision about weights'
        when pairing is null then 'the decision named is not in the ledger'
        when pairing != 'paired' then 'the decision named never completed'
        when outcome_status != 'ok' then 'the decision named ended as ' || outcome_status
        when not is_match then 'the decision named has another result'
    end as finding,
    upstream_decision_id as decision_behind,
    trade_count as orders,
    null as symbol,
    null as ordered_weight,
    null as decided_weight,
    record_seq,
    record_hash
from ordered
where
    ($run_id is null or run_id = $run_id)
    and (
        upstream_decision_id is null
        or pairing is distinct from 'paired'
        or outcome_status is distinct from 'ok'
        or not is_match
    )
union all
select
    ordered.decision_id as ordered_by,
    'the order aims at another weight than was decided' as finding,
    ordered.upstream_decision_id as decision_behind,
    1 as orders,
    strayed.symbol,
    strayed.target_weight as ordered_weight,
    coalesce(strayed.weight, 0) as decided_weight,
    ordered.record_seq,
    ordered.record_hash
from strayed
inner join ordered
    on strayed.decision_id = ordered.decision_id
where $run_id is null or ordered.run_id = $run_id
order by record_seq, symbol

with chosen as (
    select coalesce(
        $run_id,
        (select max_by(run_id, record_seq) from metrics.fct_turnover)
    ) as run_id
),

legs as (
    select
        trades.decision_id,
        count(*) filter (where trades.holding_weight = 0 and trades.target_weight != 0) as entries,
        count(*) filter (where trades.holding_weight != 0 and trades.target_weight = 0) as exits
    from meta.fct_trades as trades
    inner join chosen
        on trades.run_id = chosen.run_id
    group by trades.decision_id
)

select
    turnover.sleeve,
    turnover.engine,
    turnover.risk_profile,
    turnover.as_of_date,
    turnover.turnover_one_way,
    turnover.turnover_recomputed,
    turnover.buy_weight,
    turnover.sell_weight,
    coalesce(legs.entries, 0) as entries,
    coalesce(legs.exits, 0) as exits,
    sum(turnover.turnover_one_way) over (
        partition by turnover.sleeve, turnover.engine, turnover.risk_profile
        order by turnover.as_of_date, turnover.record_seq
        rows between unbounded preceding and current row
    ) as turnover_so_far,
    turnover.decision_id,
    turnover.record_seq,
    turnover.record_hash
from metrics.fct_turnover as turnover
inner join chosen
    on turnover.run_id = chosen.run_id
left join legs
    on turnover.decision_id = legs.decision_id
where
    ($sleeve is null or turnover.sleeve = $sleeve)
    and ($engine is null or turnover.engine = $engine)
    and ($risk_profile is null or turnover.risk_profile = $risk_profile)
order by
    turnover.sleeve, turnover.engine, turnover.risk_profile, turnover.as_of_date,
    turnover.record_seq

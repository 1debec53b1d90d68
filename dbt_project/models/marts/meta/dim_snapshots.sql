with

snapshots as (

    select
        record_seq,
        source,
        calendar,
        periods_per_year,
        price_field,
        logical_sha256,
        symbols,
        first_date,
        last_date,
        row_count,
        bar_count
    from {{ ref('stg_ledger__ingestions') }}
    union all
    select
        record_seq,
        'sleeves' as source,
        calendar,
        periods_per_year,
        'close' as price_field,
        logical_sha256,
        to_json(list_transform(sleeves, lambda item: item.sleeve)) as symbols,
        first_date,
        last_date,
        row_count,
        null as bar_count
    from {{ ref('stg_ledger__compositions') }}

),

final as (

    select
        cast(decisions.outcome_seq as varchar) as snapshot_id,
        decisions.decision_id,
        decisions.step,
        decisions.sleeve,
        decisions.described_snapshot_sha256 as snapshot_sha256,
        snapshots.logical_sha256,
        snapshots.source,
        snapshots.calendar,
        snapshots.periods_per_year,
        snapshots.price_field,
        cast(json_array_length(snapshots.symbols) as bigint) as symbol_count,
        cast(snapshots.symbols as varchar) as symbols,
        snapshots.first_date,
        snapshots.last_date,
        snapshots.row_count,
        snapshots.bar_count,
        decisions.decided_at as recorded_at,
        {{ outcome_evidence() }}
    from snapshots
    inner join {{ ref('int_decisions_taken') }} as decisions
        on snapshots.record_seq = decisions.outcome_seq

)

select * from final

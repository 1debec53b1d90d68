with

runs as (

    select
        run_id,
        profile,
        record_seq,
        record_hash,
        lag(run_id) over (partition by kind, profile order by record_seq) as previous_run_id
    from {{ ref('stg_ledger__openings') }}
    where is_first

),

current_fields as (

    select
        runs.run_id,
        fields.field,
        fields.value
    from runs
    inner join {{ ref('dim_run_fields') }} as fields
        on runs.run_id = fields.run_id
    where runs.previous_run_id is not null

),

previous_fields as (

    select
        runs.run_id,
        fields.field,
        fields.value
    from runs
    inner join {{ ref('dim_run_fields') }} as fields
        on runs.previous_run_id = fields.run_id

),

changes as (

    select
        coalesce(current_fields.run_id, previous_fields.run_id) as run_id,
        coalesce(current_fields.field, previous_fields.field) as field,
        previous_fields.value as previous_value,
        current_fields.value
    from current_fields
    full join previous_fields
        on
            current_fields.run_id = previous_fields.run_id
            and current_fields.field = previous_fields.field
    where current_fields.value is distinct from previous_fields.value

),

final as (

    select
        runs.record_seq || '.' || changes.field as environment_change_id,
        runs.profile,
        runs.previous_run_id,
        changes.field,
        changes.previous_value,
        changes.value,
        runs.record_seq,
        runs.record_hash,
        runs.run_id
    from changes
    inner join runs
        on changes.run_id = runs.run_id

)

select * from final

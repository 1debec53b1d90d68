with

checked as (

    select
        run_id,
        sleeve,
        symbol,
        status,
        as_of_date,
        reasons,
        record_seq,
        record_hash,
        lag(status) over (
            partition by run_id, sleeve, symbol order by as_of_date, record_seq
        ) as previous_status
    from {{ ref('fct_asset_health') }}

),

numbered as (

    select
        run_id,
        sleeve,
        symbol,
        status,
        previous_status,
        as_of_date,
        reasons,
        record_seq,
        record_hash,
        count(*) filter (where status is distinct from previous_status) over (
            partition by run_id, sleeve, symbol order by as_of_date, record_seq
            rows between unbounded preceding and current row
        ) as spell_number
    from checked

),

final as (

    select
        min(record_seq) || '.' || symbol as status_spell_id,
        sleeve,
        symbol,
        spell_number,
        min_by(status, record_seq) as status,
        arg_min_null(previous_status, record_seq) as previous_status,
        min(as_of_date) as first_as_of_date,
        max(as_of_date) as last_as_of_date,
        count(*) as check_count,
        arg_min_null(reasons, record_seq) as reasons,
        min(record_seq) as record_seq,
        min_by(record_hash, record_seq) as record_hash,
        run_id
    from numbered
    group by run_id, sleeve, symbol, spell_number

)

select * from final

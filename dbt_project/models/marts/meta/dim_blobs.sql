with

inputs as (

    select
        record_seq,
        record_hash,
        run_id,
        'input' as direction,
        unnest({{ map_entries_ordered(json_map('inputs')) }}) as entry
    from {{ ref('stg_ledger__records') }}
    where inputs is not null

),

outputs as (

    select
        record_seq,
        record_hash,
        run_id,
        'output' as direction,
        unnest({{ map_entries_ordered(json_map('outputs')) }}) as entry
    from {{ ref('stg_ledger__records') }}
    where outputs is not null

),

named as (

    select
        record_seq,
        record_hash,
        run_id,
        direction,
        entry
    from inputs
    union all
    select
        record_seq,
        record_hash,
        run_id,
        direction,
        entry
    from outputs

),

ranked as (

    select
        record_seq,
        record_hash,
        run_id,
        direction,
        entry,
        row_number() over (
            partition by entry.value order by record_seq, direction, entry.key
        ) as mention
    from named

),

mentions as (

    select
        entry.value as blob_sha256,
        count(*) as mention_count,
        count(*) filter (where direction = 'input') as input_count,
        count(*) filter (where direction = 'output') as output_count,
        max(record_seq) as last_seq
    from named
    group by entry.value

),

erased as (

    select distinct json_extract_string(data, '$.blob') as blob_sha256
    from {{ ref('stg_ledger__custody_records') }}
    where record_type = 'redaction'

),

final as (

    select
        mentions.blob_sha256 as blob_id,
        ranked.entry.key as role,
        ranked.direction,
        mentions.mention_count,
        mentions.input_count,
        mentions.output_count,
        mentions.last_seq,
        erased.blob_sha256 is not null as is_erased,
        ranked.record_seq,
        ranked.record_hash,
        ranked.run_id
    from mentions
    inner join ranked
        on mentions.blob_sha256 = ranked.entry.value and ranked.mention = 1
    left join erased
        on mentions.blob_sha256 = erased.blob_sha256

)

select * from final

with

final as (

    select
        cast(checkpoints.size as varchar) as checkpoint_id,
        checkpoints.origin,
        checkpoints.size,
        checkpoints.root,
        checkpoints.root = recomputed.root_recomputed as is_root_right,
        records.record_seq,
        records.record_hash,
        records.run_id
    from {{ ref('stg_ledger__checkpoints') }} as checkpoints
    left join {{ ref('int_checkpoints_recomputed_from_records') }} as recomputed
        on checkpoints.size = recomputed.size
    left join {{ ref('stg_ledger__records') }} as records
        on checkpoints.size - 1 = records.record_seq

)

select * from final

with

head as (

    select through_seq from {{ source('raw', 'head') }}

),

final as (

    select
        size,
        origin,
        root,
        note
    from {{ source('raw', 'checkpoints') }}
    -- Of a size below the head: a checkpoint of the head itself may still be signed later, and
    -- the marts of a head must not depend on when they are built.
    where size <= (select through_seq from head)

)

select * from final

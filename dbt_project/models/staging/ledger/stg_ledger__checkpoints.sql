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
    -- A checkpoint is signed over all records there are, so once a later record exists, no further
    -- checkpoint of these sizes can appear: the marts of a head do not depend on when they are
    -- built.
    where size <= (select through_seq + 1 from head)

)

select * from final

with

final as (

    select
        sha256 as document_sha256,
        role,
        cast(content as json) as document
    from {{ source('raw', 'documents') }}

)

select * from final

with

parsed as (

    select
        record_seq,
        record_hash,
        run_id,
        actor,
        recorded_at,
        {{ json_text('inputs', 'diff') }} as diff_sha256,
        {% call json_struct('data') %}{
            "kind": "VARCHAR", "profile": "VARCHAR", "sleeves": "JSON", "manifest_sha256": "VARCHAR",
            "seed": "BIGINT", "environment": "JSON",
            "gates": [{
                "gate": "VARCHAR", "status": "VARCHAR", "seq": "BIGINT", "by": "VARCHAR",
                "until": "VARCHAR"
            }]
        }{% endcall %} as opening
    from {{ ref('stg_ledger__records') }}
    where record_type = 'run' and status = 'open'

),

described as (

    select
        *,
        {% call json_struct('opening.environment') %}{
            "commit": "VARCHAR", "dirty": "BOOLEAN", "untracked": "JSON", "lock_sha256": "VARCHAR",
            "python": "VARCHAR", "platform": "VARCHAR", "processor": "VARCHAR", "blas": "JSON",
            "threads": "JSON"
        }{% endcall %} as environment
    from parsed

),

final as (

    select
        ---------- ids
        record_seq,
        record_hash,
        run_id,

        ---------- strings
        opening.kind,
        opening.profile,
        opening.sleeves,
        opening.manifest_sha256,
        environment.commit as commit_sha,
        environment.lock_sha256,
        environment.untracked,
        environment.python,
        environment.platform,
        environment.processor,
        environment.blas,
        environment.threads,
        diff_sha256,
        actor,

        ---------- documents
        opening.environment,
        opening.gates,

        ---------- numerics
        opening.seed,

        ---------- booleans
        environment.dirty as is_dirty,
        row_number() over (partition by run_id order by record_seq) = 1 as is_first,

        ---------- timestamps
        recorded_at as opened_at
    from described

)

select * from final

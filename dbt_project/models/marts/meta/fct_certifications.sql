with

certifications as (

    select
        record_seq,
        record_hash,
        run_id,
        unnest(verdicts) as certification,
        generate_subscripts(verdicts, 1) as position
    from {{ ref('stg_ledger__certifications') }}

),

final as (

    select
        certifications.record_seq || '.' || certifications.position as certification_id,
        certifications.certification.decision_id,
        certified.sleeve,
        certified.engine,
        certified.risk_profile,
        certified.window_ordinal,
        certifications.certification.cell as actual_cell,
        certifications.certification.verdict,
        certifications.certification.kind as certificate_kind,
        certifications.certification.reason,
        certifications.record_seq,
        certifications.record_hash,
        certifications.run_id
    from certifications
    left join {{ ref('int_intents_paired_with_outcomes') }} as certified
        on
            certifications.certification.decision_id = certified.decision_id
            and certified.is_first

)

select * from final

-- The statement of each approval record, read from the text that was signed. That the note holds is
-- for the verifier: a ledger in which one does not is not built on. A signer is found by name and
-- key id, so that a line somebody added to a note speaks for nobody.
with

noted as (

    select
        record_seq,
        record_hash,
        actor,
        recorded_at,
        {{ json_text('data', 'note') }} is not null as is_signed,
        coalesce({{ json_text('data', 'note') }}, {{ json_text('data', 'statement') }}) as note
    from {{ ref('stg_ledger__custody_records') }}
    where record_type = 'approval' and data is not null

),

stated as (

    select
        record_seq,
        record_hash,
        actor,
        recorded_at,
        is_signed,
        note,
        split_part(split_part(note, chr(10), 3), ' ', 1) as action,
        split_part(split_part(note, chr(10), 3), ' ', 2) as subject,
        split_part(split_part(note, chr(10), 3), ' ', 3) as digest,
        regexp_extract(note, '\nat (\S+)Z\n', 1) as signed_text,
        regexp_extract(note, '\nuntil (\S+)Z\n', 1) as until_text,
        regexp_extract(note, '\nreason ([^\n]+)\n', 1) as reason
    from noted

),

signatures as (

    select
        record_seq,
        unnest(regexp_extract_all(note, '\n— ([^ ]+ \S+)', 1)) as signature
    from stated

),

signers as (

    select
        record_seq,
        lower(split_part(signature, ' ', 1))
        || '+' || lower(left(hex(from_base64(split_part(signature, ' ', 2))), 8)) as signer
    from signatures

),

enrolments as (

    select
        record_seq,
        split_part(subject, '+', 1) as person,
        lower(split_part(subject, '+', 1)) || '+' || split_part(subject, '+', 2) as signer
    from stated
    where action = 'enrol'

),

signed as (

    select
        signers.record_seq,
        min_by(enrolments.person, enrolments.record_seq) as person
    from signers
    inner join enrolments
        on signers.signer = enrolments.signer and signers.record_seq >= enrolments.record_seq
    group by signers.record_seq

),

final as (

    select
        stated.record_seq,
        stated.record_hash,
        stated.actor,
        stated.recorded_at,
        stated.is_signed,
        stated.action,
        nullif(stated.subject, '') as subject,
        nullif(stated.digest, '') as digest,
        case
            when stated.action in ('enrol', 'dismiss') then split_part(stated.subject, '+', 1)
            else signed.person
        end as person,
        nullif(stated.reason, '') as reason,
        cast(stated.signed_text as timestamp) as signed_at,
        cast(nullif(stated.until_text, '') as timestamp) as until_at
    from stated
    left join signed
        on stated.record_seq = signed.record_seq

)

select * from final

{# SHA-256 of 0x00 and the body of a line: the line with the hash member cut off its end. #}
{% macro record_hash_of(line) -%}
    sha256('\x00'::blob || encode(regexp_replace({{ line }}, ',"hash":"[0-9a-f]{64}"\}$', '}')))
{%- endmacro %}

{# SHA-256 of the exact text between the first `opening` and the first `closing` of a line. Members
   stand in canonical order and quotes within texts are escaped, so the first occurrence of a
   member's name is the member itself. #}
{% macro part_hash_of(line, opening, closing) -%}
    sha256(substring(
        {{ line }},
        instr({{ line }}, {{ opening }}) + length({{ opening }}),
        instr({{ line }}, {{ closing }}) - instr({{ line }}, {{ opening }}) - length({{ opening }})
    ))
{%- endmacro %}

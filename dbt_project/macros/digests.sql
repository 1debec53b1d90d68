{# SHA-256 of 0x00 and the body of a line: the line with the hash member cut off its end. #}
{% macro record_hash_of(line) -%}
    sha256('\x00'::blob || encode(regexp_replace({{ line }}, ',"hash":"[0-9a-f]{64}"\}$', '}')))
{%- endmacro %}

{# SHA-256 of the canonical bytes of `data.result`, cut out of the line of an outcome. In canonical
   order `result` is followed by `result_sha256` and preceded by `error` or `observed` at most. #}
{% macro result_hash_of(line) -%}
    sha256(regexp_extract(
        {{ line }},
        '"data":\{(?:"observed":\{[^{}]*\},)?"result":(.*),"result_sha256":"[0-9a-f]{64}"', 1
    ))
{%- endmacro %}

{# SHA-256 of the canonical bytes of `data.params`, cut out of the line of an intent; in canonical
   order `seed` follows. #}
{% macro params_hash_of(line) -%}
    sha256(regexp_extract({{ line }}, ',"params":(\{.*\}),"seed":-?[0-9]+,"slice":', 1))
{%- endmacro %}

{# The only places where the JSON dialect of DuckDB shows; another adapter overrides these. #}

{# A document as a struct, parsed once. A field that is missing, null or of another type is NULL;
   columns that must not be NULL say so in the contracts of the marts. The structure is the body of
   a `call` block. #}
{% macro json_struct(document) -%}
    from_json({{ document }}, '{{ caller() | replace("\n", " ") | trim }}')
{%- endmacro %}

{# A scalar as text, NULL for a JSON null. #}
{% macro json_text(document, path) -%}
    json_extract_string({{ document }}, '$.{{ path }}')
{%- endmacro %}

{# Entries {key, value} of a map, ordered by key, to be unnested. #}
{% macro map_entries_ordered(map) -%}
    list_sort(map_entries({{ map }}))
{%- endmacro %}

{# An object of texts as a map. #}
{% macro json_map(document) -%}
    from_json({{ document }}, '"MAP(VARCHAR, VARCHAR)"')
{%- endmacro %}

{# The only places where the JSON dialect of DuckDB shows; another adapter overrides these. #}

{# JSON text as it stands, NULL for a JSON null. #}
{% macro json_part(document, path) -%}
    nullif(json_extract({{ document }}, '$.{{ path }}'), 'null')
{%- endmacro %}

{# A scalar as text, NULL for a JSON null. #}
{% macro json_text(document, path) -%}
    json_extract_string({{ document }}, '$.{{ path }}')
{%- endmacro %}

{% macro json_number(document, path) -%}
    cast(json_extract_string({{ document }}, '$.{{ path }}') as double)
{%- endmacro %}

{% macro json_count(document, path) -%}
    cast(json_extract_string({{ document }}, '$.{{ path }}') as bigint)
{%- endmacro %}

{% macro json_flag(document, path) -%}
    cast(json_extract_string({{ document }}, '$.{{ path }}') as boolean)
{%- endmacro %}

{% macro json_date(document, path) -%}
    cast(json_extract_string({{ document }}, '$.{{ path }}') as date)
{%- endmacro %}

{# A list of JSON documents, to be unnested. #}
{% macro json_items(document, path) -%}
    cast(json_extract({{ document }}, '$.{{ path }}') as json[])
{%- endmacro %}

{# A list of structs {key, value} from an object of numbers, to be unnested; ordered by key. #}
{% macro json_number_entries(document, path) -%}
    list_sort(map_entries(cast(json_extract({{ document }}, '$.{{ path }}') as map(varchar, double))))
{%- endmacro %}

{# The same from an object of texts. #}
{% macro json_text_entries(document, path) -%}
    list_sort(map_entries(cast(json_extract({{ document }}, '$.{{ path }}') as map(varchar, varchar))))
{%- endmacro %}

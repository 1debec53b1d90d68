{# The build file is private and its derived schemas are dropped before dbt starts, so a model is
   created under its name at once. The materializations of the adapter build under another name,
   rename twice and drop once, which is four times as many statements. #}

{% materialization table, adapter='duckdb' %}
    {%- set relation = this.incorporate(type='table') -%}
    {% call statement('main') -%}
        {{ create_table_as(False, relation, compiled_code) }}
    {%- endcall %}
    {% if config.get('contract').enforced %}
        {% call statement('descriptions') -%}
            {{ described(relation) }}
        {%- endcall %}
    {% endif %}
    {{ adapter.commit() }}
    {{ return({'relations': [relation]}) }}
{% endmaterialization %}

{% materialization view, adapter='duckdb' %}
    {%- set relation = this.incorporate(type='view') -%}
    {% call statement('main') -%}
        create or replace view {{ relation }} as
        {{ compiled_code }}
    {%- endcall %}
    {{ adapter.commit() }}
    {{ return({'relations': [relation]}) }}
{% endmaterialization %}

{# The descriptions of a mart, stored in the file that an auditor opens. #}
{% macro described(relation) -%}
    comment on table {{ relation }} is {{ quoted(model.description) }};
    {% for column in model.columns.values() %}
    comment on column {{ relation }}.{{ column.name }} is {{ quoted(column.description) }};
    {% endfor %}
{%- endmacro %}

{% macro quoted(text) -%}
    '{{ text | trim | replace("'", "''") }}'
{%- endmacro %}

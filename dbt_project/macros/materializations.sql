{# The build file is private and published as a copy, so a model is created under its name at once.
   The materializations of the adapter build under another name,
   rename twice and drop once, which is four times as many statements. #}

{% materialization table, adapter='duckdb' %}
    {%- set relation = this.incorporate(type='table') -%}
    {%- set key = config.get('meta', {}).get('grows_by') -%}
    {%- set grown = growth_since_last_build() if key and load_cached_relation(this) else none -%}
    {% if grown %}
        {% call statement('main') -%}
            {{ grow_table(relation, compiled_code, key, grown) }}
        {%- endcall %}
    {% else %}
        {% call statement('main') -%}
            drop table if exists {{ relation }};
            {{ create_table_as(False, relation, compiled_code) }}
        {%- endcall %}
        {% if config.get('contract').enforced %}
            {% call statement('descriptions') -%}
                {{ described(relation) }}
            {%- endcall %}
        {% endif %}
    {% endif %}
    {{ adapter.commit() }}
    {{ return({'relations': [relation]}) }}
{% endmaterialization %}

{# What was recorded since the last build that ended well: none if everything is derived anew. #}
{% macro growth_since_last_build() -%}
    {%- set derived = run_query('select through_seq from raw.derived').rows -%}
    {%- if derived | length == 0 -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set runs = run_query('select run_id, first_seq from raw.growth order by run_id').rows -%}
    {{ return({'through_seq': derived[0][0], 'runs': runs}) }}
{%- endmacro %}

{# Replaces what may have changed in a table, never only adds to it: a build that was interrupted is
   then simply repeated. The rows outside are what they would be if derived anew, because
   `grows_by: record`  every row is a function of one record (and of the blob it names);
   `grows_by: run`     every row is a function of the records of one run, and cites one of them.
   The filters are literals around the model, so that DuckDB pushes them down to the records, and
   the compiled model stays the same statement for every build. #}
{% macro grow_table(relation, sql, key, grown) -%}
    {%- if key == 'record' -%}
        {%- set changed = 'record_seq > ' ~ grown.through_seq -%}
        {%- set rows = changed -%}
    {%- elif grown.runs | length == 0 -%}
        {%- set changed = 'false' -%}
        {%- set rows = changed -%}
    {%- else -%}
        {%- set names = [] -%}
        {%- for run in grown.runs %}{% do names.append(quoted(run[0])) %}{% endfor -%}
        {%- set changed = 'run_id in (' ~ names | join(', ') ~ ')' -%}
        {%- set rows = changed ~ ' and record_seq >= ' ~ grown.runs | map(attribute=1) | min -%}
    {%- endif -%}
    delete from {{ relation }} where {{ changed }};
    insert into {{ relation }} by name
    select * from (
        {{ sql }}
    ) as derived where {{ rows }};
{%- endmacro %}

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

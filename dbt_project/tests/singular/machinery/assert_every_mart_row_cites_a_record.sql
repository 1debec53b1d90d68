-- `record_seq`, `record_hash` and `run_id` of every row of every mart are those of one record.
-- depends_on: {{ ref('fct_findings') }}
{% set marts = [] %}
{% for node in graph.nodes.values() if node.schema in ('health', 'metrics', 'meta') %}
{% do marts.append(node.schema ~ '.' ~ node.name) if node.resource_type == 'model' %}
{% endfor %}
with

cited as (

    {% for mart in marts | sort %}
    select distinct
        '{{ mart }}' as mart,
        record_seq,
        record_hash,
        run_id
    from {{ mart }}
    {{ 'union all' if not loop.last }}
    {% endfor %}

)

select
    cited.mart,
    cited.record_seq,
    cited.record_hash
from cited
left join {{ ref('stg_ledger__records') }} as records
    on
        cited.record_seq = records.record_seq
        and cited.record_hash = records.record_hash
        and cited.run_id is not distinct from records.run_id
where records.record_seq is null

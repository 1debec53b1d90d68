{# The columns by which every row of a decision is found, from `int_decisions_taken`. #}
{% macro decision_columns() -%}
    decisions.decision_id,
        decisions.sleeve,
        decisions.engine,
        decisions.risk_profile,
        decisions.window_ordinal,
        decisions.as_of_date
{%- endmacro %}

{# The evidence of a row: the outcome record of its decision. #}
{% macro outcome_evidence() -%}
    decisions.outcome_seq as record_seq,
        decisions.outcome_hash as record_hash,
        decisions.run_id
{%- endmacro %}

{# The latest successful outcome of each decision; superseded attempts are in `fct_intents` only. #}
{% macro taken(relation, alias) -%}
    {{ ref(relation) }} as {{ alias }}
    inner join {{ ref('int_decisions_taken') }} as decisions
        on {{ alias }}.record_seq = decisions.outcome_seq
{%- endmacro %}

with

parsed as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        {% call json_struct('result') %}{
            "windows": "BIGINT", "fallbacks": "BIGINT", "probabilistic_sharpe": "DOUBLE",
            "moments": {
                "count": "BIGINT", "sharpe": "DOUBLE", "skewness": "DOUBLE", "kurtosis": "DOUBLE"
            }
        }{% endcall %} as result
    from {{ ref('stg_ledger__results') }}
    where step = 'trial'

),

final as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        result.windows as window_count,
        result.fallbacks as fallback_count,
        result.probabilistic_sharpe,
        result.moments.count as day_count,
        result.moments.sharpe as sharpe_per_period,
        result.moments.skewness,
        result.moments.kurtosis
    from parsed

)

select * from final

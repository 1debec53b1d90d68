with

parsed as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        {% call json_struct('result') %}{
            "rule": "VARCHAR", "baseline": "VARCHAR", "trials": "BIGINT",
            "sharpe_variance": "DOUBLE", "expected_maximum_sharpe": "DOUBLE",
            "overfitting": {
                "probability": "DOUBLE", "probability_of_loss": "DOUBLE", "halvings": "BIGINT"
            },
            "rows": [{
                "rank": "BIGINT", "cell": "VARCHAR", "windows": "BIGINT",
                "failed_windows": "BIGINT", "fallbacks": "BIGINT",
                "net": {
                    "annual_return": "DOUBLE", "volatility": "DOUBLE", "sharpe": "DOUBLE",
                    "max_drawdown": "DOUBLE"
                },
                "gross": {"annual_return": "DOUBLE", "sharpe": "DOUBLE"},
                "turnover_one_way_annual": "DOUBLE", "costs_total": "DOUBLE",
                "probabilistic_sharpe": "DOUBLE", "deflated_sharpe": "DOUBLE",
                "excess_sharpe": "DOUBLE", "excess_annual_return": "DOUBLE"
            }],
            "failed": [{
                "cell": "VARCHAR", "windows": "BIGINT", "failed_windows": "BIGINT",
                "code": "VARCHAR", "what": "VARCHAR"
            }]
        }{% endcall %} as result
    from {{ ref('stg_ledger__results') }}
    where step = 'score'

),

final as (

    select
        record_seq,
        record_hash,
        run_id,
        decision_id,
        result.rule,
        result.baseline,
        result.trials as trial_count,
        result.sharpe_variance,
        result.expected_maximum_sharpe,
        result.overfitting.probability as overfitting_probability,
        result.overfitting.probability_of_loss as loss_probability,
        result.overfitting.halvings as halving_count,
        result.rows as ranked,
        result.failed
    from parsed

)

select * from final

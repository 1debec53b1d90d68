"""Stage 2: raw features, from the training rows only.

Nothing is normalised here: vetoes compare raw features with noise, scores rank them against each
other. A feature that cannot be computed is None, never a stand-in.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline.predictability import (
    efficiency_ratio,
    hurst_exponent,
    log_returns,
    permutation_entropy,
)
from pipeline.selection.context import Features

if TYPE_CHECKING:
    from pipeline.selection.context import Context
    from pipeline.values import FloatArray


def features(context: Context) -> Context:
    """Set `features`."""
    values, params = context.returns.values, context.params
    latest = values[-params.feature_days :]
    columns = zip(
        context.universe,
        _present(momentum(values, params.momentum_skip_days)),
        volatility(values, context.periods_per_year).tolist(),
        _present(permutation_entropy(latest, params.entropy_order)),
        _present(hurst_exponent(latest)),
        _present(efficiency_ratio(log_returns(latest))),
        strict=True,
    )
    return replace(context, features=tuple(Features(*column) for column in columns))


def momentum(returns: FloatArray, skip: int) -> FloatArray:
    """Return the cumulative simple return of each column without the last `skip` rows.

    The most recent month reverts rather than continues, so it is left out; with 252 rows and a
    skip of 21 this is the 12-1 momentum. NaN where no row remains.

    References
    ----------
    Jegadeesh and Titman (1993), "Returns to buying winners and selling losers".
    """
    used = returns[: max(0, len(returns) - skip)]
    if not len(used):
        return np.full(returns.shape[1], np.nan)
    growth: FloatArray = np.multiply.accumulate(1.0 + used, axis=0)[-1]
    return growth - 1.0


def volatility(returns: FloatArray, periods_per_year: int) -> FloatArray:
    """Return the annualised sample standard deviation (divisor n - 1) of each column."""
    rows = len(returns)
    mean = np.add.accumulate(returns, axis=0)[-1] / rows
    squares = np.add.accumulate((returns - mean) ** 2, axis=0)[-1]
    deviation: FloatArray = np.sqrt(squares / (rows - 1))
    return deviation * math.sqrt(periods_per_year)


def _present(values: FloatArray) -> list[float | None]:
    return [None if math.isnan(value) else value for value in values.tolist()]

"""Conditional value at risk: the mean of the worst losses, and the portfolio with the least of it.

Returns enter divided by the square root of their mean variance, so that losses are about 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.optimization.quadratic import LinearSet, QuadraticProgram, residuals, solve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.optimization.quadratic import PrimalDual
    from pipeline.values import FloatArray

ROWS_MINIMUM = 100
"""Rows below which a tail of some percent is a handful of days and no estimate."""

RISK_FLOOR = 1e-8
"""Least tail loss that an asset is weighed by: by less, or by a gain, nothing is divided."""

_WHOLE_TOLERANCE = 1e-9
"""A tail of `rows * (1 - level)` this near a whole number of rows is that number."""


def tail_rows(rows: int, level: float) -> float:
    """Return how many rows the tail has, not necessarily whole."""
    count = rows * (1.0 - level)
    return float(round(count)) if abs(count - round(count)) < _WHOLE_TOLERANCE else count


def tail_loss(losses: FloatArray, level: float) -> float:
    """Return the mean of the worst `1 - level` of `losses` (conditional value at risk).

    The last row of the tail counts in part where the tail is no whole number of rows.

    Source: Rockafellar and Uryasev (2002), "Conditional value-at-risk for general loss
    distributions".
    """
    count = tail_rows(len(losses), level)
    worst = np.sort(losses)[::-1].tolist()
    whole = min(math.floor(count), len(worst))
    part = count - whole
    rest = part * worst[whole] if part > 0.0 and whole < len(worst) else 0.0
    return (math.fsum(worst[:whole]) + rest) / count


def portfolio_losses(returns: FloatArray, weights: FloatArray) -> FloatArray:
    """Return minus the return of the portfolio in each row, without BLAS."""
    losses: FloatArray = 0.0 - (returns * weights).sum(axis=1)
    return losses


@dataclass(frozen=True, slots=True, eq=False)
class TailMinimum:
    """How the linear programme ended.

    Attributes
    ----------
    found : PrimalDual
        As the solver left it.
    weights : ndarray of shape (n_symbols,)
        The portfolio.
    scenarios : ndarray of shape (n_rows,)
        The dual: the probability of each row, at most `1 / tail_rows`, summing to 1, under which
        the expected loss of the portfolio is its conditional value at risk.
    residuals : mapping of str to float
        Of the programme.
    """

    found: PrimalDual
    weights: FloatArray
    scenarios: FloatArray
    residuals: Mapping[str, float]


def least_tail_loss(returns: FloatArray, level: float, points: LinearSet) -> TailMinimum:
    """Solve `minimise t + sum(u) / tail_rows` with `u >= loss - t`, `u >= 0` over `points`.

    Source: Rockafellar and Uryasev (2000), "Optimization of conditional value-at-risk".
    """
    program = tail_program(returns, level, points)
    found = solve(program)
    (rows, n), first = returns.shape, len(points.h)
    return TailMinimum(found, found.x[:n], found.z[first : first + rows], residuals(program, found))


def tail_program(returns: FloatArray, level: float, points: LinearSet) -> QuadraticProgram:
    """Return the programme of `least_tail_loss` in weights, `t`, `u`; its rows follow `points`."""
    rows, n = returns.shape
    size = n + 1 + rows
    costs = np.concatenate((np.zeros(n), [1.0], np.full(rows, 1.0 / tail_rows(rows, level))))
    excess = np.concatenate((-returns, np.full((rows, 1), -1.0), -np.eye(rows)), axis=1)
    positive = np.concatenate((np.zeros((rows, n + 1)), -np.eye(rows)), axis=1)
    wide = LinearSet(
        _widened(points.E, size),
        points.e,
        np.concatenate((_widened(points.G, size), excess, positive)),
        np.concatenate((points.h, np.zeros(2 * rows))),
    )
    return QuadraticProgram(np.zeros((size, size)), costs, wide)


def _widened(matrix: FloatArray, columns: int) -> FloatArray:
    return np.concatenate((matrix, np.zeros((len(matrix), columns - matrix.shape[1]))), axis=1)

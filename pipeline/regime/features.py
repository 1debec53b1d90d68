"""What is measured of the market, each against a baseline that ends before the recent rows.

A recent window that is part of its own baseline has a ceiling (sqrt(N / n), 2.6 for 10 rows of 60)
and hides exactly the moves it is meant to show.

All three nulls are distribution-free in what they must not depend on: the level and scale of the
returns, and for the turbulence the whole covariance matrix.
"""

from __future__ import annotations

import itertools
import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from pipeline.predictability import NULL_DRAWS, null_generator
from pipeline.statistics import covariance

if TYPE_CHECKING:
    from pipeline.values import FloatArray

BASKETS_MAX = 10
"""Most columns of the turbulence; more symbols are averaged into this many baskets, since a move of
the whole market counts once and is divided by the columns."""

BASELINE_ROWS_PER_BASKET = 4
"""Least baseline rows per column of the turbulence; fewer and its covariance is mostly noise."""

_VOLATILITY_KEY, _TURBULENCE_KEY = 101, 102


def market_proxy(returns: FloatArray) -> FloatArray:
    """Return the equal-weighted mean of the columns; shape (n_rows,).

    All usable symbols, never the selected ones: a market measured on its winners is circular.
    """
    total = np.add.accumulate(np.ascontiguousarray(returns), axis=1)[:, -1]
    return np.ascontiguousarray(total / returns.shape[1])


def volatility_ratio(series: FloatArray, recent: int) -> FloatArray:
    """Return recent volatility over baseline volatility, for each column.

    Both are taken about the mean of the baseline, so a steady fall counts as movement.

    Parameters
    ----------
    series : ndarray of shape (n_rows, n_series)
        At least `recent` + 2 rows; the rows before the last `recent` are the baseline.
    recent : int
        Rows whose volatility is measured.

    Returns
    -------
    ndarray of shape (n_series,)
        NaN where the baseline did not move.
    """
    baseline, latest = series[:-recent], series[-recent:]
    mean = np.add.accumulate(baseline, axis=0)[-1] / len(baseline)
    usual = np.add.accumulate((baseline - mean) ** 2, axis=0)[-1] / max(1, len(baseline) - 1)
    now = np.add.accumulate((latest - mean) ** 2, axis=0)[-1] / recent
    moved = (baseline != baseline[:1]).any(axis=0)
    squared = np.divide(now, usual, out=np.full_like(now, np.nan), where=moved)
    ratio: FloatArray = np.sqrt(squared)
    return ratio


@lru_cache(maxsize=32)
def volatility_ratio_null(recent: int, baseline: int) -> tuple[float, ...]:
    """Return the ratio on independent Gaussian noise, ascending, `NULL_DRAWS` values."""
    generator = null_generator(_VOLATILITY_KEY, recent, baseline)
    noise = generator.standard_normal((recent + baseline, NULL_DRAWS))
    return tuple(np.sort(volatility_ratio(noise, recent)).tolist())


def baskets(returns: FloatArray, baseline: int) -> FloatArray:
    """Average neighbouring columns so that the baseline can carry their covariance.

    Parameters
    ----------
    returns : ndarray of shape (n_rows, n_symbols)
        Columns in ascending order of symbol, which decides the neighbours.
    baseline : int
        Rows of the baseline.

    Returns
    -------
    ndarray of shape (n_rows, n_baskets)
        At most `BASKETS_MAX` columns and at most a quarter of the baseline rows.
    """
    count = min(returns.shape[1], BASKETS_MAX, max(1, baseline // BASELINE_ROWS_PER_BASKET))
    edges = [returns.shape[1] * i // count for i in range(count + 1)]
    columns = [market_proxy(returns[:, a:b]) for a, b in itertools.pairwise(edges)]
    return np.ascontiguousarray(np.stack(columns, axis=1))


def turbulence(returns: FloatArray, recent: int) -> float:
    """Return the mean squared Mahalanobis distance of the recent rows, per column.

    Mean and covariance come from the rows before. About 1 for noise with a long baseline, more
    with a short one; a jump counts, and so does a broken correlation without one.

    Parameters
    ----------
    returns : ndarray of shape (n_rows, n_columns)
        The rows before the last `recent` are the baseline.
    recent : int
        Rows measured.

    Returns
    -------
    float
        NaN if a column of the baseline is constant or a combination of others.

    References
    ----------
    Kritzman and Li (2010), "Skulls, financial turbulence, and risk management".
    """
    baseline, latest = returns[:-recent], returns[-recent:]
    moved = (baseline != baseline[:1]).any(axis=0).all()
    factor = _cholesky(covariance(baseline)) if moved else None
    if factor is None:
        return math.nan
    mean = np.add.accumulate(baseline, axis=0)[-1] / len(baseline)
    distances = _squared_lengths(factor[None], (latest - mean)[None])
    columns: int = returns.shape[1]
    return float(distances[0]) / (recent * columns)


@lru_cache(maxsize=64)
def turbulence_null(recent: int, baseline: int, columns: int) -> tuple[float, ...]:
    """Return the turbulence of independent Gaussian noise, ascending, `NULL_DRAWS` values.

    The turbulence does not change under any invertible linear map of the columns, so the true
    covariance is taken as the identity, and the sample covariance is drawn directly through its
    Cholesky factor (Bartlett 1933) instead of from simulated rows.
    """
    generator = null_generator(_TURBULENCE_KEY, recent, baseline, columns)
    factors = np.zeros((NULL_DRAWS, columns, columns))
    for i in range(columns):
        factors[:, i, i] = np.sqrt(generator.chisquare(baseline - 1 - i, NULL_DRAWS))
        factors[:, i, :i] = generator.standard_normal((NULL_DRAWS, i))
    means = generator.standard_normal((NULL_DRAWS, 1, columns)) / math.sqrt(baseline)
    latest = generator.standard_normal((NULL_DRAWS, recent, columns)) - means
    distances = _squared_lengths(factors / math.sqrt(baseline - 1), latest)
    return tuple(np.sort(distances / (recent * columns)).tolist())


def _cholesky(matrix: FloatArray) -> FloatArray | None:
    """Return the lower Cholesky factor, without BLAS; None if a pivot is not positive.

    A pivot below 1e-10 of its diagonal is what rounding leaves of 0, for instance of two equal
    columns.
    """
    size = len(matrix)
    factor = np.zeros((size, size))
    for j in range(size):
        column = matrix[j:, j] - (factor[j:, :j] * factor[j, :j]).sum(axis=1)
        if not column[0] > 1e-10 * matrix[j, j]:
            return None
        factor[j:, j] = column / math.sqrt(column[0])
    return factor


def _squared_lengths(factors: FloatArray, rows: FloatArray) -> FloatArray:
    """Return the sum over rows of |L^-1 row|^2 for stacks of L and of rows, by substitution.

    Parameters
    ----------
    factors : ndarray of shape (n_stacks, n_columns, n_columns)
        Lower triangular.
    rows : ndarray of shape (n_stacks, n_rows, n_columns)
        Right-hand sides.

    Returns
    -------
    ndarray of shape (n_stacks,)
    """
    stacks, count, columns = rows.shape
    solved = np.zeros((columns, stacks, count))
    total = np.zeros((stacks, count))
    for i in range(columns):
        residual = rows[:, :, i].copy()
        for j in range(i):
            residual -= factors[:, i, j, None] * solved[j]
        solved[i] = residual / factors[:, i, i, None]
        total += solved[i] * solved[i]
    lengths: FloatArray = np.add.accumulate(total, axis=1)[:, -1]
    return lengths

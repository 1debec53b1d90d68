"""Objectives of the convex risk profiles at given weights, computed the same for every engine."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from pipeline.optimization.constraints import linear_minimum

if TYPE_CHECKING:
    from pipeline.optimization.problem import Problem
    from pipeline.values import FloatArray

NO_VARIANCE = 1e-14
"""A variance at or below this share of the mean variance is the rounding of a full hedge."""


def ridged(problem: Problem) -> FloatArray:
    """Return the scaled covariance with the ridge on its diagonal."""
    matrix = problem.prior.covariance
    if not problem.l2_penalty:
        return matrix
    return matrix + problem.l2_penalty * np.eye(len(matrix))


def penalised_variance(problem: Problem, weights: FloatArray) -> float:
    """Return the variance per period plus the ridge, in units of squared returns."""
    return _quadratic(ridged(problem), weights) * problem.prior.mean_variance


def annual_sharpe_ratio(problem: Problem, weights: FloatArray) -> float | None:
    """Return mean excess return over standard deviation of the weights, times `sqrt(periods)`.

    The risk-free rate is subtracted from what is invested; cash earns it and adds nothing. `None`
    if the weights have no variance.
    """
    excess = problem.prior.mean - problem.risk_free_rate
    variance = _quadratic(problem.prior.covariance, weights)
    if variance <= NO_VARIANCE:
        return None
    deviation = math.sqrt(variance * problem.prior.mean_variance)
    mean = math.fsum((excess * weights).tolist())
    return mean / deviation * math.sqrt(problem.periods_per_year)


def suboptimality(problem: Problem, weights: FloatArray) -> float:
    """Return a bound on how far the scaled, ridged variance is above its minimum.

    A convex function lies above its tangent, so `f(w) - min f <= max over v of f'(w)'(w - v)`,
    and the best `v` is found by sorting. It needs no dual variables: anyone can recompute it from
    the weights, the covariance and the limits.

    Source: Frank and Wolfe (1956), "An algorithm for quadratic programming".
    """
    gradient = 2.0 * (ridged(problem) * weights).sum(axis=1)
    best = linear_minimum(gradient, problem.limits)
    return max(0.0, math.fsum((gradient * (weights - best)).tolist()))


def _quadratic(matrix: FloatArray, weights: FloatArray) -> float:
    return math.fsum((weights * (matrix * weights).sum(axis=1)).tolist())

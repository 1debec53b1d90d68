"""Objectives of the convex risk profiles at given weights, computed the same for every engine."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline.optimization.constraints import linear_minimum
from pipeline.optimization.market import reference
from pipeline.optimization.tail import portfolio_losses, tail_loss
from pipeline.optimization.trading import return_frictions, variance_frictions
from pipeline.optimization.views import equilibrium, posterior, trend_views

if TYPE_CHECKING:
    from pipeline.optimization.problem import Problem
    from pipeline.values import FloatArray

CONVEX = frozenset(
    {
        "min_variance",
        "max_sharpe",
        "max_diversification",
        "min_cvar",
        "black_litterman",
        "market_neutral",
    }
)
"""Risk profiles with an objective."""

NO_VARIANCE = 1e-14
"""A variance at or below this share of the mean variance is the rounding of a full hedge."""


def ridge(problem: Problem) -> FloatArray:
    """Return what the ridge adds to the scaled covariance: a multiple of the identity."""
    return problem.l2_penalty * np.eye(len(problem.symbols))


def ridged(problem: Problem) -> FloatArray:
    """Return the scaled covariance with the ridge on its diagonal."""
    matrix = problem.prior.covariance
    return matrix + ridge(problem) if problem.l2_penalty else matrix


def penalised_variance(problem: Problem, weights: FloatArray) -> float:
    """Return the variance per period plus the ridge, in units of squared returns."""
    return _quadratic(ridged(problem), weights) * problem.prior.mean_variance


def net_variance(problem: Problem, weights: FloatArray) -> float:
    """Return the variance per period, ridge and costs of trading, in units of squared returns."""
    found = penalised_variance(problem, weights)
    if problem.trading is None:
        return found
    cost = variance_frictions(problem).cost(weights)
    return found + cost * problem.prior.mean_variance


def annual_sharpe_ratio(problem: Problem, weights: FloatArray) -> float | None:
    """Return mean excess return over standard deviation of the weights, times `sqrt(periods)`.

    The risk-free rate is subtracted from what is invested; cash earns it and adds nothing. Costs
    of trading are subtracted where there are any. `None` if the weights have no variance.
    """
    excess = problem.prior.mean - problem.risk_free_rate
    variance = _quadratic(problem.prior.covariance, weights)
    if variance <= NO_VARIANCE:
        return None
    deviation = math.sqrt(variance * problem.prior.mean_variance)
    mean = math.fsum((excess * weights).tolist()) - _cost(problem, weights)
    return mean / deviation * math.sqrt(problem.periods_per_year)


def diversification(problem: Problem, weights: FloatArray) -> float | None:
    """Return the weighted mean standard deviation over that of the portfolio, `None` without one.

    At least 1 for weights that sum to 1 and are not negative.
    """
    variance = _quadratic(problem.prior.covariance, weights)
    if variance <= NO_VARIANCE:
        return None
    deviations = np.sqrt(np.diagonal(problem.prior.covariance))
    return math.fsum((deviations * weights).tolist()) / math.sqrt(variance)


def tail_risk(problem: Problem, weights: FloatArray) -> float:
    """Return the conditional value at risk per period, as a positive loss."""
    losses = portfolio_losses(problem.returns, weights)
    return tail_loss(losses, problem.tail_level)


def net_tail_risk(problem: Problem, weights: FloatArray) -> float:
    """Return the conditional value at risk per period, costs of trading included."""
    return tail_risk(problem, weights) + _cost(problem, weights)


def _cost(problem: Problem, weights: FloatArray) -> float:
    """Return the costs of trading per period, as a return."""
    if problem.trading is None:
        return 0.0
    scale = math.sqrt(problem.prior.mean_variance)
    return return_frictions(problem).cost(weights) * scale


def objective(problem: Problem, weights: FloatArray) -> float | None:
    """Return the objective of the problem's convex risk profile; `None` for a ratio without risk.

    Raises
    ------
    ValueError
        If the risk profile has no objective.
    """
    name = problem.risk_profile
    if name in {"min_variance", "market_neutral"}:
        return net_variance(problem, weights)
    if name == "max_sharpe":
        return annual_sharpe_ratio(problem, weights)
    if name == "max_diversification":
        return diversification(problem, weights)
    if name == "min_cvar":
        return net_tail_risk(problem, weights)
    if name == "black_litterman":
        updated = with_views(problem)
        return None if updated is None else annual_sharpe_ratio(updated, weights)
    msg = f"{name} has no objective"
    raise ValueError(msg)


def with_views(problem: Problem) -> Problem | None:
    """Return `problem` under the expected returns of equilibrium and views.

    They are excess returns, so the risk-free rate is 0 in it. `None` if certain views contradict
    each other.
    """
    told, prior = problem.black_litterman, problem.prior
    covariances = prior.covariance * prior.mean_variance
    views = trend_views(
        problem.returns,
        problem.limits.clusters,
        told.view_clusters,
        told.of(problem.regime) / problem.periods_per_year,
        told.confidence,
    )
    implied = equilibrium(covariances, reference(problem), told.risk_aversion)
    found = posterior(covariances, implied, told.tau, views)
    if found is None:
        return None
    updated = replace(prior, mean=found.mean, covariance=found.covariance / prior.mean_variance)
    return replace(problem, prior=updated, risk_free_rate=0.0)


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

"""Objectives at given weights."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.optimization.constraints import project
from pipeline.optimization.objectives import (
    annual_sharpe_ratio,
    objective,
    penalised_variance,
    ridged,
    suboptimality,
)
from pipeline.optimization.priors import moments, scaled_prior
from pipeline.optimization.quadratic import QuadraticProgram, linear_set, solve
from tests.pipeline.optimization.markets import make_market, make_problem

if TYPE_CHECKING:
    from pipeline.optimization.problem import Problem
    from pipeline.values import FloatArray


def problem(seed: int = 1, risk_free_rate: float = 0.0, l2_penalty: float = 0.0) -> Problem:
    """Return a minimum-variance problem of six assets in three clusters, capped."""
    asked = make_problem(6, 3, 0.4, 0.6, seed)
    return replace(asked, risk_free_rate=risk_free_rate, l2_penalty=l2_penalty)


def equal(n: int) -> FloatArray:
    """Return equal weights."""
    return np.full(n, 1.0 / n)


def test_variance_is_that_of_the_portfolio() -> None:
    """The scaled covariance times its scale gives the variance of the series of returns."""
    asked = problem()
    series = asked.returns @ equal(6)
    assert penalised_variance(asked, equal(6)) == pytest.approx(series.var(ddof=1), rel=1e-12)


def test_ridge_is_in_units_of_the_mean_variance() -> None:
    """A ridge of 2 on equal weights of six adds 2 * mean variance / 6."""
    asked, ridge = problem(), problem(l2_penalty=2.0)
    added = penalised_variance(ridge, equal(6)) - penalised_variance(asked, equal(6))
    assert added == pytest.approx(2.0 * asked.prior.mean_variance / 6.0)
    assert np.diagonal(ridged(ridge)).mean() == pytest.approx(3.0)


def test_sharpe_ratio_is_that_of_the_portfolio() -> None:
    """Mean excess over standard deviation times sqrt(252)."""
    asked = problem(risk_free_rate=0.0001)
    series = asked.returns @ equal(6)
    expected = (series.mean() - 0.0001) / series.std(ddof=1) * np.sqrt(252)
    assert annual_sharpe_ratio(asked, equal(6)) == pytest.approx(expected, rel=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 500), st.lists(st.floats(0, 1), min_size=6, max_size=6))
def test_suboptimality_bounds_the_distance_from_the_minimum(seed: int, point: list[float]) -> None:
    """At any allowed weights the bound is at least the true excess, and about 0 at the minimum."""
    asked = problem(seed=seed)
    matrix = 2.0 * asked.prior.covariance
    best = solve(QuadraticProgram(matrix, np.zeros(6), linear_set(asked.limits))).x
    weights = project(np.array(point), asked.limits)
    excess = (penalised_variance(asked, weights) - penalised_variance(asked, best)) / (
        asked.prior.mean_variance
    )
    assert suboptimality(asked, weights) >= excess - 1e-12
    assert suboptimality(asked, best) < 1e-12


def test_prior_has_mean_variance_one() -> None:
    """The scale is the mean variance of the chosen columns, and the product is the covariance."""
    returns, _ = make_market(5, 2)
    mean, covariances = moments(returns.values)
    prior = scaled_prior(mean, covariances, [0, 2, 4])
    assert np.diagonal(prior.covariance).mean() == pytest.approx(1.0, abs=1e-15)
    chosen = np.cov(returns.values[:, [0, 2, 4]].T)
    assert np.abs(prior.covariance * prior.mean_variance - chosen).max() < 1e-18
    assert np.abs(prior.mean - returns.values[:, [0, 2, 4]].mean(axis=0)).max() < 1e-18


@pytest.mark.parametrize("shape", [(2, 1), (251, 20), (70, 64), (40, 300)])
def test_covariance_sums_rows_in_order(shape: tuple[int, int]) -> None:
    """Blocks do not show: the bytes are those of adding one row after another."""
    values = np.random.Generator(np.random.PCG64(5)).normal(0.0, 0.01, shape)
    centred = values - values.sum(axis=0) / len(values)
    total = np.zeros((shape[1], shape[1]))
    for row in centred:
        total += row[:, None] * row[None, :]
    assert moments(values)[1].tobytes() == (total / (len(values) - 1)).tobytes()


def test_objectives_belong_to_convex_risk_profiles() -> None:
    """A ratio without risk is none; a tree has no objective."""
    assert objective(replace(problem(), risk_profile="market_neutral"), equal(6)) is not None
    hedged = problem()
    still = replace(hedged, prior=replace(hedged.prior, covariance=np.zeros((6, 6))))
    assert objective(replace(still, risk_profile="max_diversification"), equal(6)) is None
    with pytest.raises(ValueError, match="hrp has no objective"):
        objective(replace(hedged, risk_profile="hrp"), equal(6))

"""Estimators of mean and covariance against other implementations and their limits."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypfopt.risk_models import CovarianceShrinkage
from sklearn.covariance import ledoit_wolf  # type: ignore[import-untyped]

from pipeline.config import OptimizationParams
from pipeline.optimization.priors import (
    SHRINKAGE_MAX,
    Estimators,
    correlation_intensity,
    estimated,
    estimated_prior,
    identity_intensity,
    moments,
    scaled_prior,
    shrunk_mean,
)
from pipeline.statistics import covariance
from tests.pipeline.optimization.markets import make_market, make_parameters

RETURNS = make_market(8, 4)[0].values


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 12), st.integers(12, 200), st.integers(0, 99))
def test_identity_intensity_is_that_of_scikit_learn(n: int, rows: int, seed: int) -> None:
    """Ledoit and Wolf (2004), a second implementation, to 1e-10."""
    returns = make_market(n, 2, rows, seed)[0].values * 100
    assert identity_intensity(returns) == pytest.approx(ledoit_wolf(returns)[1], abs=1e-10)


@settings(max_examples=20, deadline=None)
@given(st.integers(3, 12), st.integers(30, 200), st.integers(0, 99))
def test_correlation_intensity_is_that_of_pyportfolioopt(n: int, rows: int, seed: int) -> None:
    """Ledoit and Wolf (2003), a second implementation, to 1e-9.

    The paper divides by the number of rows throughout; the library mixes that with one less.
    """
    returns = make_market(n, 2, rows, seed)[0].values
    model = CovarianceShrinkage(pd.DataFrame(returns), returns_data=True)
    model.S = model.S * (rows - 1) / rows
    model.ledoit_wolf("constant_correlation")
    assert correlation_intensity(returns) == pytest.approx(model.delta, abs=1e-9)


def test_shrunk_covariances_keep_the_total_variance() -> None:
    """Both targets have the trace of the sample; the constant correlation keeps its diagonal."""
    sample = covariance(RETURNS)
    _, identity = estimated(RETURNS, {"covariance": "ledoit_wolf"})
    assert np.trace(identity) == pytest.approx(np.trace(sample), rel=1e-12)
    _, common = estimated(RETURNS, {"covariance": "constant_correlation"})
    assert np.abs(np.diagonal(common) - np.diagonal(sample)).max() < 1e-18


def test_regime_shrinks_more_under_stress() -> None:
    """Off-diagonal entries fall with the lift, down to the most that is allowed."""
    sizes = []
    for lift in (0.0, 0.25, 0.5, 1.0):
        _, matrix = estimated(RETURNS, {"covariance": "regime", "lift": lift})
        sizes.append(np.abs(matrix - np.diag(np.diagonal(matrix))).sum())
    assert sizes == sorted(sizes, reverse=True)
    sample = covariance(RETURNS)
    off = np.abs(sample - np.diag(np.diagonal(sample))).sum()
    assert sizes[-1] == pytest.approx((1.0 - SHRINKAGE_MAX) * off)
    _, least = estimated(RETURNS, {"covariance": "ledoit_wolf"})
    assert sizes[0] == np.abs(least - np.diag(np.diagonal(least))).sum()


def test_exponential_weights_by_hand() -> None:
    """Three rows, half-life one: weights 1/7, 2/7, 4/7; divisor 1 - 21/49."""
    returns = np.array([[7.0], [0.0], [-7.0]])
    mean, matrix = estimated(returns, {"covariance": "exponential", "half_life_rows": 1.0})
    assert mean.tolist() == pytest.approx([-3.0])
    second = (100 * 1 + 9 * 2 + 16 * 4) / 7
    assert matrix[0].tolist() == pytest.approx([second / (28 / 49)])


def test_a_long_half_life_is_the_sample() -> None:
    """Nothing is forgotten: sample mean and covariance."""
    mean, matrix = estimated(RETURNS, {"covariance": "exponential", "half_life_rows": 1e12})
    assert np.abs(mean - RETURNS.mean(axis=0)).max() < 1e-12
    assert np.abs(matrix - covariance(RETURNS)).max() < 1e-12


def test_half_life_follows_the_calendar() -> None:
    """A quarter of a year is 63 rows of an exchange and 91.25 of a market that never closes."""
    params = OptimizationParams(covariance_estimator="exponential")
    rows = [Estimators.of(params, "normal", days).half_life_rows for days in (252, 365)]
    assert rows == [63.0, 91.25]


def test_means_are_drawn_together_by_their_noise() -> None:
    """(p - 3) v / n over the spread: p = 5, v = 1, n = 10, spread 10 gives 2 %."""
    mean = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    drawn = shrunk_mean(mean, np.eye(5), 10)
    assert drawn.tolist() == pytest.approx((0.98 * mean).tolist())
    assert shrunk_mean(mean, 1e6 * np.eye(5), 10).tolist() == [0.0] * 5
    assert shrunk_mean(mean[:3], np.eye(3), 10).tolist() == mean[:3].tolist()
    assert shrunk_mean(np.ones(5), np.eye(5), 10).tolist() == [1.0] * 5


def test_one_asset_and_equal_assets_are_shrunk_without_harm() -> None:
    """Where the target is the sample there is nothing to divide by; so too for any two assets."""
    assert correlation_intensity(RETURNS[:, :2]) == 1.0
    single = RETURNS[:, :1]
    for name in ("ledoit_wolf", "constant_correlation", "regime"):
        _, matrix = estimated(single, {"covariance": name})
        assert float(matrix[0, 0]) == pytest.approx(float(covariance(single)[0, 0]))
    twins = np.column_stack((RETURNS[:, 0], RETURNS[:, 0]))
    _, matrix = estimated(twins, {"covariance": "constant_correlation"})
    assert np.isfinite(matrix).all()


def test_sample_prior_is_the_default() -> None:
    """The prior of the estimators by default is the scaled sample, bit for bit."""
    how = Estimators.of(make_parameters(), "normal", 252)
    assert how == Estimators()
    one = estimated_prior(RETURNS, how)
    other = scaled_prior(*moments(RETURNS), range(8))
    assert one.covariance.tolist() == other.covariance.tolist()
    assert one.mean.tolist() == other.mean.tolist()
    assert math.isclose(float(np.diagonal(one.covariance).mean()), 1.0)


@pytest.mark.parametrize("name", ["sample", "ledoit_wolf", "exponential", "regime"])
def test_estimators_and_payload_are_inverse(name: str) -> None:
    """What stands in a certificate gives the same estimators back."""
    params = make_parameters(covariance_estimator=name, mean_estimator="shrunk")
    how = Estimators.of(params, "crisis", 365)
    assert Estimators.from_payload(how.to_payload()) == how


@pytest.mark.parametrize(
    "name", ["sample", "ledoit_wolf", "constant_correlation", "exponential", "regime"]
)
def test_covariances_are_symmetric_and_no_portfolio_has_negative_variance(name: str) -> None:
    """More assets than rows included."""
    for rows in (251, 30):
        returns = make_market(40, 5, rows)[0].values
        _, matrix = estimated(returns, {"covariance": name, "half_life_rows": 63.0, "lift": 0.5})
        assert np.array_equal(matrix, matrix.T)
        assert np.linalg.eigvalsh(matrix).min() > -1e-15

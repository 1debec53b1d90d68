"""Risk profiles without a solver, against hand-computed numbers and laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.optimization import hierarchy, risk_profiles
from pipeline.statistics import covariance
from tests.pipeline.optimization.markets import make_market


def test_benchmark_is_equal_over_clusters_then_inside() -> None:
    """Clusters {0, 2} and {1}: half each, the first half again."""
    assert risk_profiles.benchmark([(0, 2), (1,)]).tolist() == [0.25, 0.5, 0.25]


def test_risk_parity_of_uncorrelated_assets_is_inverse_volatility() -> None:
    """diag(.04, .09, .16, .36): volatilities .2 .3 .4 .6, weights 1/vol, shares 25 % each."""
    matrix = np.diag([0.04, 0.09, 0.16, 0.36])
    found = risk_profiles.risk_parity(matrix)
    inverse = np.array([1 / 0.2, 1 / 0.3, 1 / 0.4, 1 / 0.6])
    assert found.weights.tolist() == pytest.approx((inverse / inverse.sum()).tolist(), abs=1e-12)
    assert risk_profiles.risk_shares(matrix, found.weights).tolist() == pytest.approx(
        [0.25] * 4, abs=1e-12
    )


@given(st.floats(-0.99, 0.99), st.floats(0.1, 10.0))
def test_risk_parity_of_two_assets_ignores_their_correlation(rho: float, ratio: float) -> None:
    """For two assets weights are inverse volatilities whatever the correlation."""
    matrix = np.array([[1.0, rho * ratio], [rho * ratio, ratio * ratio]])
    found = risk_profiles.risk_parity(matrix)
    assert found.weights[0] == pytest.approx(ratio / (1.0 + ratio), abs=1e-9)


@given(st.integers(2, 12), st.integers(0, 200))
def test_risk_shares_are_equal(n: int, seed: int) -> None:
    """Any market: shares equal to 1e-8, weights positive and summing to 1."""
    returns, _ = make_market(n, min(n, 4), seed=seed)
    matrix = covariance(returns.values)
    found = risk_profiles.risk_parity(matrix / matrix.trace())
    shares = risk_profiles.risk_shares(matrix, found.weights)
    assert np.abs(shares - 1.0 / n).max() < 1e-8
    assert found.weights.min() > 0.0
    assert found.weights.sum() == pytest.approx(1.0, abs=1e-12)


def test_risk_parity_of_equal_columns_is_equal() -> None:
    """Two identical assets share what one would get."""
    matrix = np.array([[1.0, 1.0, 0.2], [1.0, 1.0, 0.2], [0.2, 0.2, 1.0]])
    found = risk_profiles.risk_parity(matrix)
    assert found.deviation < 1e-8
    assert found.weights[0] == pytest.approx(found.weights[1], abs=1e-8)


def test_full_hedge_has_no_risk_parity() -> None:
    """An asset and its mirror image can cancel: the deviation stays large and says so."""
    assert risk_profiles.risk_parity(np.array([[1.0, -1.0], [-1.0, 1.0]])).deviation > 1e-3


def test_risk_shares_without_variance_are_zero() -> None:
    """Half of each side of a full hedge has nothing to share; no division by zero."""
    hedge = np.array([[1.0, -1.0], [-1.0, 1.0]])
    assert risk_profiles.risk_shares(hedge, np.array([0.5, 0.5])).tolist() == [0.0, 0.0]


def test_antifragility_ranks_skewness_and_the_best_days() -> None:
    """One large gain beats symmetry beats one large loss, by both ranks: 1, 2/3, 1/3."""
    quiet = np.tile([0.001, -0.001], 20)
    gain, loss = quiet.copy(), quiet.copy()
    gain[7], loss[8] = 0.1, -0.1
    loss[9] = 0.0
    scores = risk_profiles.antifragility(np.column_stack((loss, quiet, gain)))
    assert scores[2] == 1.0
    assert scores[2] > scores[1] > scores[0]


def test_antifragility_of_ties_is_their_mean_rank() -> None:
    """Equal columns get equal scores: (1 + 2) / 2 / 2."""
    column = np.array([0.01, -0.02, 0.03, 0.0])
    assert risk_profiles.antifragility(np.column_stack((column, column))).tolist() == [0.75, 0.75]


def test_leaders_are_the_best_of_the_best_clusters() -> None:
    """Four clusters give two leaders; equal scores go to the first column."""
    scores = np.array([0.1, 0.9, 0.5, 0.7, 0.7, 0.2])
    clusters = [(0, 1), (2,), (3, 4), (5,)]
    assert risk_profiles.barbell_leaders(scores, clusters, 5) == [(0, 1), (2, 3)]


@pytest.mark.parametrize(
    ("clusters", "maximum", "count"),
    [(1, 5, 0), (2, 5, 1), (3, 5, 1), (4, 5, 2), (8, 5, 4), (12, 5, 5), (8, 1, 1)],
)
def test_number_of_leaders(clusters: int, maximum: int, count: int) -> None:
    """min(maximum, max(1, K // 2), K - 1)."""
    groups = [(i,) for i in range(clusters)]
    assert len(risk_profiles.barbell_leaders(np.zeros(clusters), groups, maximum)) == count


def test_core_is_hrp_from_ten_assets() -> None:
    """Nine assets are weighed equally, ten by hrp."""
    returns, _ = make_market(10, 3)
    matrix = covariance(returns.values)
    assert risk_profiles.barbell_core(matrix[:9, :9]) is None
    split = risk_profiles.barbell_core(matrix)
    assert split is not None
    assert split.weights.tolist() == hierarchy.hrp(matrix).weights.tolist()

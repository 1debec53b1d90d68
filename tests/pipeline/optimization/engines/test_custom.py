"""Our own engine against exact solutions."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import Cell
from pipeline.errors import SolverError
from pipeline.optimization import quadratic
from pipeline.optimization.optimize import optimize
from pipeline.statistics import covariance
from tests.pipeline.optimization.markets import (
    make_market,
    make_parameters,
    make_returns,
    singletons,
)

if TYPE_CHECKING:
    from pipeline.config import OptimizationParams
    from pipeline.optimization.solution import Solution
    from pipeline.values import FloatArray, Returns


def solved(
    profile: str,
    returns: Returns,
    clusters: dict[int, tuple[str, ...]],
    params: OptimizationParams,
    regime: str = "normal",
) -> Solution:
    """Optimise with the engine custom."""
    cell = Cell.model_validate({"risk_profile": profile})
    return optimize(
        returns,
        clusters,
        regime,  # type: ignore[arg-type]
        cell,
        params,
        periods_per_year=252,
        seed=1,
    )


def weights_of(solution: Solution) -> FloatArray:
    """Return the weights in symbol order."""
    return np.array(list(solution.weights.values()))


def best_of_all_active_sets(matrix: FloatArray, cap: float) -> FloatArray:
    """Return the capped minimum-variance weights by trying every pattern of (0, free, cap)."""
    n = len(matrix)
    best: FloatArray = np.zeros(n)
    lowest = float("inf")
    for pattern in itertools.product((0, 1, 2), repeat=n):
        fixed = np.array([0.0, np.nan, cap])[list(pattern)]
        free = np.isnan(fixed)
        held = np.where(free, 0.0, fixed)
        if free.any():
            inner = np.linalg.pinv(matrix[np.ix_(free, free)])
            pull = matrix[np.ix_(free, ~free)] @ held[~free]
            ones = np.ones(int(free.sum()))
            level = (1.0 - held.sum() + ones @ inner @ pull) / (ones @ inner @ ones)
            held[free] = inner @ (level * ones - pull)
        feasible = abs(held.sum() - 1) < 1e-9 and held.min() > -1e-12 and held.max() < cap + 1e-12
        if feasible and held @ matrix @ held < lowest:
            best, lowest = held, float(held @ matrix @ held)
    return best


def test_minimum_variance_of_two_assets_is_the_closed_form() -> None:
    """w1 = (s2^2 - s12) / (s1^2 + s2^2 - 2 s12)."""
    returns, clusters = make_market(2, 2)
    (a, c), (_, b) = covariance(returns.values)
    found = solved("min_variance", returns, clusters, make_parameters())
    assert weights_of(found)[0] == pytest.approx((b - c) / (a + b - 2 * c), abs=1e-8)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 500), st.sampled_from([0.3, 0.5, 1.0]))
def test_minimum_variance_is_the_best_of_all_active_sets(seed: int, cap: float) -> None:
    """Five assets: enumeration of 243 patterns finds the same weights to 1e-6."""
    returns, clusters = make_market(5, 5, seed=seed)
    found = solved("min_variance", returns, clusters, make_parameters(cap))
    exact = best_of_all_active_sets(covariance(returns.values), cap)
    assert np.abs(weights_of(found) - exact).max() < 1e-6


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 500), st.integers(3, 20), st.integers(2, 6))
def test_optimality_is_proven_by_residuals(seed: int, n: int, k: int) -> None:
    """Primal, dual, gap and the bound from the weights alone are rounding."""
    returns, clusters = make_market(n, min(k, n), seed=seed)
    params = make_parameters(0.6, 0.7, l2_penalty=0.1)
    found = solved("min_variance", returns, clusters, params)
    assert max(found.residuals.values()) < 1e-13


@pytest.mark.parametrize("profile", ["min_variance", "max_sharpe"])
def test_a_solver_that_gives_up_is_a_failure(profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two iterations are not enough: the status of the solver is told, no weights are."""
    monkeypatch.setattr(quadratic._SETTINGS, "max_iter", 2)
    returns, clusters = make_market(6, 6, seed=4)
    with pytest.raises(SolverError, match="Clarabel ended with MaxIterations after 2 iterations"):
        solved(profile, returns, clusters, make_parameters())


def test_ridge_moves_towards_equal_weight() -> None:
    """With a ridge a thousand times the variance all weights are nearly equal."""
    returns, clusters = make_market(6, 6)
    free = weights_of(solved("min_variance", returns, clusters, make_parameters()))
    held = weights_of(solved("min_variance", returns, clusters, make_parameters(l2_penalty=1000.0)))
    assert np.abs(held - 1 / 6).max() < 1e-3 < np.abs(free - 1 / 6).max()


def test_maximum_sharpe_without_caps_is_the_tangency_portfolio() -> None:
    """Where inv(S) mu is positive, weights are proportional to it."""
    returns, clusters = make_market(3, 3, rows=400)
    values = returns.values - returns.values.mean(axis=0) + np.array([5e-4, 6e-4, 7e-4])
    returns = make_returns(values)
    clusters = {1: ("A",), 2: ("B",), 3: ("C",)}
    exact = np.linalg.solve(covariance(returns.values), values.mean(axis=0))
    assert exact.min() > 0
    found = solved("max_sharpe", returns, clusters, make_parameters())
    assert weights_of(found).tolist() == pytest.approx((exact / exact.sum()).tolist(), abs=1e-6)
    mean, risk = values.mean(axis=0), covariance(values)
    ratio = (exact @ mean) / np.sqrt(exact @ risk @ exact) * np.sqrt(252)
    assert found.objective == pytest.approx(ratio, rel=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 300))
def test_no_sampled_portfolio_has_a_better_sharpe_ratio(seed: int) -> None:
    """A thousand random portfolios within the caps are all below the maximum."""
    returns, _clusters = make_market(5, 5, seed=seed)
    values = returns.values + 0.002
    params = make_parameters(0.5)
    found = solved("max_sharpe", make_returns(values), singletons("ABCDE"), params)
    rng = np.random.Generator(np.random.PCG64(seed))
    samples = rng.dirichlet(np.ones(5), 1000)
    samples = samples[samples.max(axis=1) <= 0.5]
    risk = np.sqrt(((samples @ covariance(values)) * samples).sum(axis=1))
    ratios = samples @ values.mean(axis=0) / risk * np.sqrt(252)
    assert found.objective is not None
    assert found.objective >= ratios.max() - 1e-9


def test_a_falling_market_has_no_maximum_sharpe() -> None:
    """All means below the risk-free rate: a typed failure with the numbers, no weights."""
    returns, clusters = make_market()
    falling = make_returns(returns.values - 0.05, "ABCDEFGHIJKL")
    clusters = {1: tuple("ABCDEFGHIJKL")}
    with pytest.raises(SolverError, match="no asset beats the risk-free rate: the best mean"):
        solved("max_sharpe", falling, clusters, make_parameters())


def test_a_mean_of_rounding_size_does_not_beat_zero() -> None:
    """Gains and losses that cancel leave a mean of 1e-19, which is 0 and no expectation."""
    flat = np.tile([0.01, -0.01, 0.02, -0.02, 0.03, -0.03], 20)
    values = np.column_stack((flat + 1e-19, np.roll(flat, 7) - 0.001))
    values[0, 0] += 1e-17
    with pytest.raises(SolverError, match="no asset beats the risk-free rate"):
        solved("max_sharpe", make_returns(values), singletons("AB"), make_parameters())


def test_caps_can_forbid_beating_the_risk_free_rate() -> None:
    """One rising asset capped at 30 % among falling ones: infeasible, and said so."""
    returns, _ = make_market(4, 4)
    values = returns.values - returns.values.mean(axis=0) + np.array([0.001, -0.01, -0.01, -0.01])
    with pytest.raises(SolverError, match="no portfolio within the limits beats"):
        solved("max_sharpe", make_returns(values), singletons("ABCD"), make_parameters(0.3))


def test_capped_risk_parity_says_that_shares_are_unequal() -> None:
    """Without caps the deviation is below 1e-8; with a binding cap it and the move are recorded."""
    returns, clusters = make_market(6, 6)
    free = solved("risk_parity", returns, clusters, make_parameters())
    assert free.residuals["risk_share_deviation"] < 1e-8
    assert free.residuals["projection"] == 0.0
    capped = solved("risk_parity", returns, clusters, make_parameters(0.18))
    assert capped.residuals["risk_share_deviation"] > 1e-3
    assert capped.residuals["projection"] > 1e-3
    assert max(capped.weights.values()) == 0.18


def test_full_hedges_fail_risk_parity_with_the_number() -> None:
    """A and its mirror image: shares cannot be equal, nothing is returned."""
    column = make_market(1, 1)[0].values
    mirrored = make_returns(np.column_stack((column, -column)))
    with pytest.raises(SolverError, match="risk shares differ from equality by"):
        solved("risk_parity", mirrored, {1: ("A",), 2: ("B",)}, make_parameters())


def test_barbell_total_leaders_and_core() -> None:
    """Eight clusters of two: four leaders with 10 % together, their partners 0, core 90 %."""
    returns, clusters = make_market(16, 8)
    found = solved("barbell", returns, clusters, make_parameters(0.25, 0.25))
    leaders = [s for s, w in found.weights.items() if abs(w - 0.025) < 1e-12]
    core = [s for s, w in found.weights.items() if w > 0.03]
    home = {s: c for c, members in clusters.items() for s in members}
    assert len(leaders) == 4
    assert len({home[s] for s in leaders}) == 4
    assert not {home[s] for s in leaders} & {home[s] for s in core}
    assert sum(found.weights[s] for s in core) == pytest.approx(0.9)
    assert len(leaders) + len(core) + list(found.weights.values()).count(0.0) == 16


@pytest.mark.parametrize(
    ("regime", "share"), [("quiet", 0.15), ("normal", 0.1), ("turbulent", 0.05), ("crisis", 0.03)]
)
def test_barbell_share_follows_the_regime(regime: str, share: float) -> None:
    """The aggressive side is what the manifest says for the regime."""
    returns, clusters = make_market(16, 8)
    found = solved("barbell", returns, clusters, make_parameters(), regime)
    assert found.residuals["aggressive_share"] == pytest.approx(share)


def test_barbell_gives_up_leaders_where_the_core_is_too_small() -> None:
    """Six clusters at 25 %: three leaders leave a core of 75 %, so two lead and 90 % fit."""
    returns, clusters = make_market(12, 6)
    found = solved("barbell", returns, clusters, make_parameters(0.25, 0.25))
    assert found.residuals["aggressive_clusters"] == 2
    assert found.residuals["aggressive_share"] == pytest.approx(0.1)


def test_barbell_of_one_cluster_is_hrp_and_says_so() -> None:
    """No aggressive side: actual is hrp, the barbell stands among the fallbacks."""
    returns, _ = make_market(4, 1)
    clusters = {1: returns.symbols}
    found = solved("barbell", returns, clusters, make_parameters())
    assert (found.requested.risk_profile, found.actual.risk_profile) == ("barbell", "hrp")
    assert "one cluster has no aggressive side" in found.fallbacks[0].reason
    assert found.weights == solved("hrp", returns, clusters, make_parameters()).weights


def test_barbell_that_cannot_fit_is_infeasible() -> None:
    """Clusters {A} and {B, C} at 40 % a symbol: one leader and one core symbol weigh 80 %."""
    values = make_market(3, 3)[0].values.copy()
    values[5, 1] = 0.3
    with pytest.raises(SolverError, match="barbell: infeasible, within the caps the core"):
        solved(
            "barbell",
            make_returns(values),
            {1: ("A",), 2: ("B", "C")},
            make_parameters(0.4),
        )


def test_a_riskless_gain_has_no_maximum_sharpe() -> None:
    """A and its mirror image, both with drift: half each gains without variance."""
    column = make_market(1, 1)[0].values
    column = column - column.mean()
    mirrored = make_returns(np.column_stack((column, -column)) + 0.001)
    with pytest.raises(SolverError, match="unbounded, a portfolio without variance beats"):
        solved("max_sharpe", mirrored, singletons("AB"), make_parameters())


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_barbell_of_one_side_only(share: float) -> None:
    """A share of 0 is all core, of 1 all leaders, as far as the caps go."""
    returns, clusters = make_market(16, 8)
    params = make_parameters(0.25, 0.25).model_copy(
        update={"barbell_shares": make_parameters(share).symbol_caps}
    )
    found = solved("barbell", returns, clusters, params)
    assert found.residuals["aggressive_share"] == share
    assert sum(w > 0 for w in found.weights.values()) == (4 if share else 8)

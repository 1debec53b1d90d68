"""Our engine: market, tails, trees, views, neutrality and the adaptive choice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skfolio import RiskMeasure
from skfolio.cluster import HierarchicalClustering, LinkageMethod
from skfolio.distance import PearsonDistance
from skfolio.optimization import HierarchicalEqualRiskContribution

from pipeline.config import Cell
from pipeline.errors import ConfigError, SolverError
from pipeline.optimization import quadratic
from pipeline.optimization.optimize import optimize
from pipeline.optimization.tail import portfolio_losses, tail_loss
from pipeline.statistics import covariance
from tests.pipeline.optimization.markets import (
    make_market,
    make_parameters,
    make_returns,
    singletons,
)

if TYPE_CHECKING:
    from pipeline.optimization.solution import Solution
    from pipeline.values import FloatArray, Returns


def solved(
    profile: str,
    market: tuple[Returns, dict[int, tuple[str, ...]]],
    regime: str = "normal",
    quadrant: str | None = None,
    **options: object,
) -> Solution:
    """Optimise with the engine custom."""
    return optimize(
        *market,
        regime,  # type: ignore[arg-type]
        Cell.model_validate({"risk_profile": profile}),
        make_parameters(**options),  # type: ignore[arg-type]
        periods_per_year=252,
        seed=1,
        quadrant=quadrant,
    )


def weights_of(solution: Solution) -> FloatArray:
    """Return the weights in symbol order."""
    return np.array(list(solution.weights.values()))


def test_market_holds_the_declared_symbols_only() -> None:
    """Two declared symbols: half each, nothing else."""
    found = solved("market", make_market(4, 4), benchmark_symbols=("S001", "S002"))
    assert weights_of(found).tolist() == [0.0, 0.5, 0.5, 0.0]


def test_market_of_one_symbol_under_caps() -> None:
    """A cap of 25 %: stop fails with the number, cash keeps 75 %, relax holds it alone."""
    market = make_market(6, 6)
    caps: dict[str, Any] = {"symbol_cap": 0.25, "benchmark_symbols": ("S001",)}
    with pytest.raises(SolverError, match=r"infeasible, within the caps .* weigh 0.25"):
        solved("market", market, **caps)
    held = solved("market", market, rule="cash", **caps)
    assert (held.weights["S001"], held.cash, held.caps.rule) == (0.25, 0.75, "cash")
    assert solved("market", market, rule="relax", **caps).weights["S001"] == 1.0


def test_market_without_its_symbols_fails() -> None:
    """A benchmark symbol that is not there is no reason to hold all assets."""
    with pytest.raises(SolverError, match=r"benchmark symbols \['SPY'\] are not among"):
        solved("market", make_market(3, 3), benchmark_symbols=("SPY",))
    with pytest.raises(ConfigError, match="no benchmark symbol is declared"):
        solved("market", make_market(3, 3))


def test_diversification_of_uncorrelated_assets_is_inverse_volatility() -> None:
    """Orthogonal columns with volatilities 1, 2, 4: weights 4/7, 2/7, 1/7, ratio sqrt(3)."""
    base = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=float)
    returns = make_returns(np.tile(base * [0.01, 0.02, 0.04], (20, 1)))
    found = solved("max_diversification", (returns, singletons("ABC")))
    assert weights_of(found).tolist() == pytest.approx([4 / 7, 2 / 7, 1 / 7], abs=1e-9)
    assert found.objective == pytest.approx(np.sqrt(3))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 200))
def test_no_sampled_portfolio_is_better(seed: int) -> None:
    """Five hundred random portfolios within the caps: none more diversified or with less tail."""
    returns, _ = make_market(5, 5, seed=seed)
    market = make_returns(returns.values), singletons("ABCDE")
    samples = np.random.Generator(np.random.PCG64(seed)).dirichlet(np.ones(5), 500)
    samples = samples[samples.max(axis=1) <= 0.5]
    sigma = covariance(returns.values)
    ratios = samples @ np.sqrt(np.diag(sigma)) / np.sqrt(((samples @ sigma) * samples).sum(axis=1))
    best = solved("max_diversification", market, symbol_cap=0.5).objective
    assert best is not None
    assert best >= ratios.max() - 1e-9
    losses = [tail_loss(portfolio_losses(returns.values, w), 0.95) for w in samples]
    least = solved("min_cvar", market, symbol_cap=0.5)
    assert least.objective is not None
    assert least.objective <= min(losses) + 1e-9
    assert max(least.residuals.values()) < 1e-9


@pytest.mark.parametrize("profile", ["min_cvar", "max_diversification", "market_neutral"])
def test_a_solver_that_gives_up_is_a_failure(profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One iteration is not enough: the status of the solver is told, no weights are."""
    monkeypatch.setattr(quadratic._SETTINGS, "max_iter", 1)
    with pytest.raises(SolverError, match="Clarabel ended with MaxIterations after 1 iter"):
        solved(profile, make_market(6, 6, seed=4))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("profile", "measure"),
    [("herc", RiskMeasure.VARIANCE), ("herc_cvar", RiskMeasure.CVAR)],
)
def test_herc_agrees_with_skfolio(profile: str, measure: RiskMeasure, seed: int) -> None:
    """Same distance, linkage and number of clusters: weights to 1e-9."""
    returns, clusters = make_market(13, 5, seed=seed)
    theirs = HierarchicalEqualRiskContribution(
        risk_measure=measure,
        distance_estimator=PearsonDistance(),
        hierarchical_clustering_estimator=HierarchicalClustering(
            max_clusters=5, linkage_method=LinkageMethod.WARD
        ),
    ).fit(returns.values)
    ours = weights_of(solved(profile, (returns, clusters)))
    if theirs.hierarchical_clustering_estimator_.n_clusters_ == 5:
        assert np.abs(ours - theirs.weights_).max() < 1e-9


def test_a_short_history_has_no_tail() -> None:
    """99 rows: herc_cvar is herc, and says so."""
    found = solved("herc_cvar", make_market(6, 3, rows=99))
    assert (found.actual.risk_profile, found.fallbacks[0].cell.risk_profile) == (
        "herc",
        "herc_cvar",
    )
    assert "99 rows have no tail" in found.fallbacks[0].reason


def test_black_litterman_without_views_holds_the_reference() -> None:
    """The equilibrium is where the reference is optimal: equal weights, or the declared symbols."""
    market = make_market(6, 3)
    told = {"view_clusters": 0}
    found = solved("black_litterman", market, black_litterman=told)
    assert np.abs(weights_of(found) - 1 / 6).max() < 1e-8
    held = solved("black_litterman", market, black_litterman=told, benchmark_symbols=("S002",))
    assert held.weights["S002"] == pytest.approx(1.0, abs=1e-7)


def test_views_move_weight_with_the_trend() -> None:
    """A rising cluster gains weight, a falling one loses it; more so with more confidence."""
    returns, clusters = make_market(6, 3)
    drift = np.array([0.002, -0.002, 0.0] * 2)
    values = returns.values - returns.values.mean(axis=0) + drift
    groups: dict[int, tuple[str, ...]] = {1: ("A", "D"), 2: ("B", "E"), 3: ("C", "F")}
    market = make_returns(values), groups
    shares = []
    for confidence in (0.0, 0.3, 0.9):
        told = {"view_clusters": 2, "confidence": confidence}
        weights = weights_of(solved("black_litterman", market, black_litterman=told))
        shares.append((weights[0] + weights[3], weights[1] + weights[4]))
    assert shares[0][0] < shares[1][0] < shares[2][0]
    assert shares[0][1] > shares[1][1] >= shares[2][1]
    assert len(clusters) == 3


def test_certain_views_on_equal_clusters_are_a_failure() -> None:
    """A stream and its double cannot both return 8 %: no posterior, and so it is told."""
    column = make_market(1, 1)[0].values
    market = make_returns(np.column_stack((column, 2 * column))), singletons("AB")
    fallback = (Cell(engine="pyportfolioopt", risk_profile="black_litterman"),)
    told = {"confidence": 1.0}
    with pytest.raises(SolverError, match=r"2 attempts: .*contradict each other.*contradict"):
        solved("black_litterman", market, black_litterman=told, fallback=fallback)


def test_market_neutral_uses_the_first_feasible_limit() -> None:
    """With inverse streams the beta is at most 5 %, and the row of the constraint says so."""
    returns, _ = make_market(4, 4)
    mirrored = np.column_stack((returns.values, -0.9 * returns.values[:, ::-1]))
    market = make_returns(mirrored), singletons("ABCDEFGH")
    found = solved("market_neutral", market, benchmark_symbols=("A", "B", "C", "D"))
    row = found.constraints[-1]
    assert (row.kind, row.name, row.limit) == ("beta", "reference", 0.05)
    assert row.value <= 0.05 + 1e-6
    assert found.residuals["beta"] == 0.05


def test_market_neutral_relaxes_and_then_fails_with_the_number() -> None:
    """Long positions in rising and falling betas of about 1: only a wide limit is feasible."""
    market = make_market(6, 3)
    wide = solved("market_neutral", market, beta_limits=(0.05, 0.95))
    assert wide.residuals["beta"] == 0.95
    with pytest.raises(SolverError, match=r"beta of at most 0.25 without short positions; the low"):
        solved("market_neutral", market)


@pytest.mark.parametrize(
    ("regime", "quadrant", "profile"),
    [
        ("quiet", None, "equal_weight"),
        ("turbulent", None, "hrp"),
        ("normal", "stagnation", "min_variance"),
        ("normal", "inflationary_trend", "barbell"),
        ("normal", "crisis", "hrp"),
    ],
)
def test_adaptive_takes_the_declared_risk_profile(
    regime: str, quadrant: str | None, profile: str
) -> None:
    """The quadrant decides where there is one, else the regime; the choice is in the record."""
    market = make_market(8, 4)
    found = solved("adaptive", market, regime, quadrant)
    assert (found.requested.risk_profile, found.actual.risk_profile) == ("adaptive", profile)
    assert found.to_payload()["adaptive"] == {
        "regime": regime,
        "quadrant": quadrant,
        "risk_profile": profile,
    }
    assert found.weights == solved(profile, market, regime).weights


def test_adaptive_refuses_an_unknown_state() -> None:
    """A label that the manifest does not know is an error, not equal weight."""
    with pytest.raises(ConfigError, match="no risk profile is declared for 'boom'"):
        solved("adaptive", make_market(3, 3), "normal", "boom")


def test_adaptive_in_the_fallback_chain_is_resolved() -> None:
    """A chain may end in adaptive; actual is the risk profile it stood for."""
    returns, clusters = make_market(6, 3)
    falling = make_returns(returns.values - 0.05, "ABCDEF")
    found = solved(
        "max_sharpe",
        (falling, {1: tuple("ABCDEF")}),
        "crisis",
        fallback=(Cell(risk_profile="adaptive"),),
    )
    assert (found.actual.risk_profile, len(clusters)) == ("hrp", 3)

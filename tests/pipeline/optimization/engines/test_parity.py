"""The same convex problem on real prices: every engine that can solve it finds the same weights."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from skfolio.datasets import load_sp500_dataset

from pipeline.config import Cell
from pipeline.optimization.engines.base import capabilities
from pipeline.optimization.optimize import optimize
from pipeline.statistics import correlation, correlation_distance, covariance
from pipeline.values import Panel
from tests.pipeline.optimization.markets import make_parameters

if TYPE_CHECKING:
    from pipeline.optimization.solution import Solution
    from pipeline.values import Returns

WEIGHT_TOLERANCE = 1e-4
OBJECTIVE_TOLERANCE = 1e-6
CONVEX = (
    "min_variance",
    "max_sharpe",
    "max_diversification",
    "min_cvar",
    "risk_parity",
    "black_litterman",
)
TREES = ("hrp", "herc", "herc_cvar")
WINDOWS = (8000, 4200)
"""Last row of two training windows."""

PAIRS = [
    (entry.engine, entry.risk_profile)
    for entry in capabilities()
    if entry.engine != "custom" and entry.risk_profile in {*CONVEX, *TREES}
]


@cache
def window(last: int) -> tuple[Returns, dict[int, tuple[str, ...]]]:
    """Return the 251 returns before a row of the bundled prices, and eight Ward clusters."""
    prices = load_sp500_dataset().iloc[last - 252 : last]
    symbols = sorted(prices.columns)
    panel = Panel.of(prices.index.to_numpy(), symbols, prices[symbols].to_numpy())
    returns = panel.returns()
    distances = correlation_distance(correlation(covariance(returns.values)))
    tree = linkage(distances[np.triu_indices(len(symbols), 1)], method="ward")
    numbers = fcluster(tree, 8, criterion="maxclust")
    clusters = {
        int(number): tuple(s for s, c in zip(symbols, numbers, strict=True) if c == number)
        for number in sorted(set(numbers.tolist()))
    }
    return returns, clusters


@cache
def solution(
    engine: str, profile: str, last: int, cap: float, estimator: str = "sample"
) -> Solution:
    """Solve one window with one cell."""
    return optimize(
        *window(last),
        "normal",
        Cell.model_validate({"engine": engine, "risk_profile": profile}),
        make_parameters(cap, cap, covariance_estimator=estimator),
        periods_per_year=252,
        seed=1,
    )


@pytest.mark.parametrize("last", WINDOWS)
@pytest.mark.parametrize(("engine", "profile"), [p for p in PAIRS if p[1] in CONVEX])
def test_convex_problems_have_one_solution(engine: str, profile: str, last: int) -> None:
    """Symbol and cluster caps of 25 %: weights to 1e-4, objectives to 1e-6 of their size."""
    ours, theirs = (solution(name, profile, last, 0.25) for name in ("custom", engine))
    gaps = [abs(ours.weights[symbol] - theirs.weights[symbol]) for symbol in ours.weights]
    assert max(gaps) <= WEIGHT_TOLERANCE
    if ours.objective is not None:
        assert theirs.objective == pytest.approx(ours.objective, rel=OBJECTIVE_TOLERANCE)


@pytest.mark.parametrize(("engine", "profile"), PAIRS)
def test_engines_use_the_covariance_they_are_given(engine: str, profile: str) -> None:
    """With a shrunk covariance all agree too: no library estimates its own from the returns."""
    ours, theirs = (
        solution(name, profile, WINDOWS[0], 1.0, "constant_correlation")
        for name in ("custom", engine)
    )
    gaps = [abs(ours.weights[symbol] - theirs.weights[symbol]) for symbol in ours.weights]
    assert max(gaps) <= WEIGHT_TOLERANCE


@pytest.mark.parametrize("last", WINDOWS)
@pytest.mark.parametrize(("engine", "profile"), [p for p in PAIRS if p[1] in TREES])
def test_trees_agree(engine: str, profile: str, last: int) -> None:
    """Without caps the steps of the tree are the same: to 1e-9."""
    ours, theirs = (solution(name, profile, last, 1.0) for name in ("custom", engine))
    gaps = [abs(ours.weights[symbol] - theirs.weights[symbol]) for symbol in ours.weights]
    assert max(gaps) <= 1e-9

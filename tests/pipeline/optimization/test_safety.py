"""Hard markets: weights within every limit or a typed failure, for every engine and profile."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from skfolio.datasets import load_sp500_dataset

from pipeline.config import Cell
from pipeline.errors import SolverError
from pipeline.optimization.engines.base import capabilities
from pipeline.optimization.optimize import optimize
from pipeline.values import Holdings, Panel, Returns, frozen_array
from tests.pipeline.optimization.markets import make_market, make_parameters
from tests.pipeline.optimization.test_optimize import assert_within, run

if TYPE_CHECKING:
    from pipeline.optimization.solution import Solution

CELLS = [Cell(engine=entry.engine, risk_profile=entry.risk_profile) for entry in capabilities()]
BY_LABEL = pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.label)
RATIOS = {"max_sharpe", "black_litterman"}
"""Risk profiles that need weights with a gain, by the means or by views that may all fall."""

CRISES = ("2008-10-31", "2009-03-09", "2020-03-23", "2020-04-30")


@cache
def crisis(last: str) -> tuple[Returns, dict[int, tuple[str, ...]]]:
    """Return a year of bundled prices that ends in a crisis, five clusters of four."""
    prices = load_sp500_dataset().loc[: pd.Timestamp(last)].iloc[-252:]
    symbols = tuple(sorted(prices.columns))
    panel = Panel.of(prices.index.to_numpy(), symbols, prices[list(symbols)].to_numpy())
    return panel.returns(), {number + 1: symbols[number::5] for number in range(5)}


def decided(cell: Cell, market: tuple[Returns, dict[int, tuple[str, ...]]]) -> Solution | None:
    """Return the weights, checked, or `None` after a typed failure with a reason."""
    try:
        found = run(cell, market, "crisis", symbol_cap=0.25, cluster_cap=0.4)
    except SolverError as error:
        assert "Error" not in str(error)  # noqa: PT017 - a typed failure tells why in words
        return None
    assert_within(found)
    assert all(math.isfinite(weight) for weight in found.weights.values())
    assert found.actual.engine == cell.engine
    return found


@BY_LABEL
@pytest.mark.parametrize("last", CRISES)
def test_a_crisis_gives_weights(cell: Cell, last: str) -> None:
    """October 2008, March 2009, March and April 2020: only ratios without a gain have none.

    Whether there is a gain within the caps is no question of the engine.
    """
    found = decided(cell, crisis(last))
    if cell.risk_profile not in RATIOS:
        assert found is not None
        return
    ours = decided(cell.model_copy(update={"engine": "custom"}), crisis(last))
    assert (found is None) == (ours is None)


@BY_LABEL
def test_a_market_that_only_falls(cell: Cell) -> None:
    """No mean is positive: a ratio fails with its reason, everything else has weights."""
    returns, clusters = make_market(10, 5)
    values = returns.values - returns.values.mean(axis=0) - np.linspace(1e-4, 9e-4, 10)
    market = Returns(returns.dates, returns.symbols, frozen_array(values)), clusters
    found = decided(cell, market)
    assert (found is None) == (cell.risk_profile == "max_sharpe")


@pytest.mark.slow
@BY_LABEL
def test_four_hundred_assets_on_a_year(cell: Cell) -> None:
    """More assets than rows: a singular covariance, and still weights or a reason."""
    decided(cell, wide())


@cache
def wide() -> tuple[Returns, dict[int, tuple[str, ...]]]:
    """Return 400 assets on 252 rows in 20 clusters, every mean positive."""
    returns, clusters = make_market(400, 20, rows=252)
    values = returns.values - returns.values.mean(axis=0) + np.linspace(4e-4, 9e-4, 400)
    return Returns(returns.dates, returns.symbols, frozen_array(values)), clusters


OURS = [cell for cell in CELLS if cell.engine == "custom" and cell.risk_profile != "adaptive"]


@pytest.mark.parametrize("profile", ["min_variance", "max_sharpe", "min_cvar", "market_neutral"])
def test_costs_in_hard_markets(profile: str) -> None:
    """Two equal columns, a crisis, one asset: costs and limits change nothing about safety."""
    returns, clusters = crisis("2020-04-30")
    values = returns.values.copy()
    values[:, 1] = values[:, 0]
    doubled = Returns(returns.dates, returns.symbols, frozen_array(values)), clusters
    single = Returns(returns.dates, ("A",), frozen_array(values[:, :1])), {1: ("A",)}
    cell = Cell.model_validate({"risk_profile": profile})
    trading = {
        "turnover_limit": 0.5,
        "infeasible_turnover": "relax",
        "linear_bps": 10.0,
        "impact_coefficient": 1.0,
        "daily_volume": 20.0,
        "holding_days": 10,
    }
    for market, cap in ((doubled, 0.25), (single, 1.0)):
        book = Holdings(0.1, dict.fromkeys(market[0].symbols, 0.9 / len(market[0].symbols)))
        params = make_parameters(cap, 1.0, trading=trading, beta_limits=(9.0,))
        try:
            found = optimize(
                market[0],
                market[1],
                "crisis",
                cell,
                params,
                periods_per_year=252,
                seed=1,
                holdings=book,
            )
        except SolverError as error:
            assert "gain" in str(error)  # noqa: PT017 - a failure is one of two right answers
            continue
        assert_within(found)


@pytest.mark.parametrize("profile", ["min_variance", "max_sharpe", "min_cvar"])
def test_weights_with_costs_follow_the_asset(profile: str) -> None:
    """Renaming the assets of market and book permutes the weights."""
    returns, clusters = make_market(8, 4, seed=6)
    book = Holdings(0.2, dict.fromkeys(returns.symbols, 0.1))
    order = [3, 7, 0, 5, 1, 6, 2, 4]
    new = dict(zip((returns.symbols[i] for i in order), returns.symbols, strict=True))
    moved = Returns(returns.dates, returns.symbols, frozen_array(returns.values[:, order]))
    trading = {"linear_bps": 8.0, "turnover_limit": 0.5, "holding_days": 10}
    params = make_parameters(0.4, 0.6, trading=trading)
    cell = Cell.model_validate({"risk_profile": profile})

    def weights(market: Returns, groups: dict[int, tuple[str, ...]]) -> dict[str, float]:
        found = optimize(
            market, groups, "normal", cell, params, periods_per_year=252, seed=1, holdings=book
        )
        return dict(found.weights)

    groups = {c: tuple(sorted(new[s] for s in members)) for c, members in clusters.items()}
    one, other = weights(returns, clusters), weights(moved, groups)
    for symbol, weight in one.items():
        assert other[new[symbol]] == pytest.approx(weight, abs=1e-9)


def test_the_penalty_on_turnover_knows_no_scale() -> None:
    """In units of the mean variance: returns in percent give the weights of fractions."""
    returns, clusters = make_market(8, 4, seed=2)
    book = Holdings(0.2, dict.fromkeys(returns.symbols, 0.1))
    params = make_parameters(0.4, 0.6, trading={"turnover_penalty": 0.05}, l2_penalty=0.1)
    found = [
        optimize(
            Returns(returns.dates, returns.symbols, frozen_array(returns.values * factor)),
            clusters,
            "normal",
            Cell(risk_profile="min_variance"),
            params,
            periods_per_year=252,
            seed=1,
            holdings=book,
        )
        for factor in (1.0, 100.0)
    ]
    for symbol, weight in found[0].weights.items():
        assert found[1].weights[symbol] == pytest.approx(weight, abs=1e-10)


@pytest.mark.parametrize("cell", OURS, ids=lambda cell: cell.label)
def test_a_vetoed_asset_changes_nothing(cell: Cell) -> None:
    """Members of clusters that were not selected have no say."""
    returns, clusters = make_market(9, 3, seed=1)
    more = {number: (*members, f"V{number}") for number, members in clusters.items()}
    one = run(cell, (returns, clusters), symbol_cap=0.4, cluster_cap=0.6)
    other = run(cell, (returns, more), symbol_cap=0.4, cluster_cap=0.6)
    assert one.to_payload() == other.to_payload()

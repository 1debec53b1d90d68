"""Turnover and costs from the book before the decision, end to end through the stage."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import Cell, SimulationParams
from pipeline.errors import ConfigError, GateClosedError
from pipeline.optimization.engines.base import check_cells
from pipeline.optimization.optimize import optimize
from pipeline.rebalance import rebalance
from pipeline.values import Holdings, Returns, frozen_array
from tests.pipeline.optimization.markets import make_market, make_parameters

if TYPE_CHECKING:
    from pipeline.optimization.solution import Solution

MARKET = make_market(10, 5, seed=4)
VARIANCE = Cell(risk_profile="min_variance")


def book(seed: int = 1, cash: float = 0.05, outside: float = 0.0) -> Holdings:
    """Return a book worth 3.0 with some cash and a symbol that cannot be weighed."""
    rng = np.random.Generator(np.random.PCG64(seed))
    weights = rng.dirichlet(np.ones(10)) * (1.0 - cash - outside) * 3.0
    positions = dict(zip(MARKET[0].symbols, weights.tolist(), strict=True))
    return Holdings(cash * 3.0, {**positions, **({"ZZZ": outside * 3.0} if outside else {})})


def decided(holdings: Holdings | None, cell: Cell = VARIANCE, **trading: object) -> Solution:
    """Return the solution with these parameters of trading."""
    return optimize(
        *MARKET,
        "normal",
        cell,
        make_parameters(0.3, 0.5, trading=trading),
        periods_per_year=252,
        seed=1,
        holdings=holdings,
    )


def told(found: Solution) -> Any:
    """Return what the record says about trading."""
    return found.trading


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 1000),
    st.sampled_from([0.0, 0.1]),
    st.sampled_from([0.0, 0.2]),
    st.sampled_from([0.35, 0.5, 0.8]),
    st.sampled_from(["min_variance", "max_sharpe", "min_cvar", "hrp", "equal_weight"]),
)
def test_the_limit_holds_as_the_rebalance_counts_it(
    seed: int, cash: float, outside: float, limit: float, profile: str
) -> None:
    """The turnover that the next stage counts, leavers and cash included, is within the limit."""
    holdings = book(seed, cash, outside)
    cell = Cell.model_validate({"risk_profile": profile})
    found = decided(holdings, cell, turnover_limit=limit, infeasible_turnover="relax")
    traded = rebalance(holdings, found.weights, None, SimulationParams())
    assert told(found)["turnover_one_way"] == pytest.approx(traded.turnover_one_way, abs=1e-12)
    assert traded.turnover_one_way <= told(found)["turnover_limit"] + 1e-12
    assert told(found)["rule"] in {"none", "relax"}
    if told(found)["rule"] == "none":
        assert told(found)["turnover_limit"] == limit


def test_an_empty_book_is_not_limited() -> None:
    """The first purchase turns everything over, and the record says so."""
    for holdings in (None, Holdings(1.0, {})):
        found = decided(holdings, turnover_limit=0.1)
        assert told(found)["turnover_limit"] is None
        assert (told(found)["rule"], told(found)["turnover_limit_requested"]) == ("initial", 0.1)
        assert told(found)["turnover_one_way"] == pytest.approx(1.0)


def test_a_limit_that_nothing_keeps_follows_the_rule() -> None:
    """Half of the book must be sold: stop tells the least turnover, relax takes it."""
    holdings = book(outside=0.5)
    with pytest.raises(GateClosedError, match=r"turnover of at least 0\.5"):
        decided(holdings, turnover_limit=0.1)
    found = decided(holdings, turnover_limit=0.1, infeasible_turnover="relax")
    assert told(found)["rule"] == "relax"
    assert told(found)["turnover_one_way"] >= 0.5
    assert told(found)["turnover_one_way"] <= told(found)["turnover_limit"] + 1e-12


def test_more_penalty_is_less_turnover() -> None:
    """From none to a hundred times the variance: down to what the caps force."""
    turnovers = [
        told(decided(book(), turnover_penalty=penalty))["turnover_one_way"]
        for penalty in (1e-9, 0.01, 0.05, 0.2, 100.0)
    ]
    assert turnovers == sorted(turnovers, reverse=True)
    assert turnovers[0] > turnovers[-1] + 0.1


def test_costs_are_what_the_record_says() -> None:
    """Linear: basis points of traded value. Square-root law: by hand from the volatilities."""
    found = decided(
        book(),
        linear_bps=10.0,
        linear_bps_of={"S001": 40.0},
        impact_coefficient=0.8,
        daily_volume=25.0,
        daily_volume_of={"S002": 5.0},
        holding_days=10,
    )
    held, deviations = book().weights(), MARKET[0].values.std(axis=0, ddof=1)
    linear = impact = 0.0
    for i, symbol in enumerate(MARKET[0].symbols):
        size = abs(found.weights[symbol] - held[symbol])
        linear += size * (40.0 if symbol == "S001" else 10.0) * 1e-4
        volume = 5.0 if symbol == "S002" else 25.0
        impact += size * 0.8 * float(deviations[i]) * math.sqrt(size / volume)
    assert told(found)["linear_cost"] == pytest.approx(linear, rel=1e-9)
    assert told(found)["impact_cost"] == pytest.approx(impact, rel=1e-9)


@pytest.mark.parametrize("profile", ["min_variance", "max_sharpe", "min_cvar", "black_litterman"])
def test_no_sampled_book_is_better_after_costs(profile: str) -> None:
    """Five hundred random books within the caps: none has the better objective."""
    from dataclasses import replace  # noqa: PLC0415

    from pipeline.optimization.objectives import objective  # noqa: PLC0415
    from pipeline.optimization.optimize import State, pose  # noqa: PLC0415

    trading = {"linear_bps": 20.0, "impact_coefficient": 1.0, "daily_volume": 10.0}
    params = make_parameters(0.3, 0.5, trading={**trading, "holding_days": 5})
    state = State("normal", None, book())
    posed = pose(*MARKET, state, params, periods_per_year=252, seed=1).problem
    cell = Cell.model_validate({"risk_profile": profile})
    posed = replace(posed, risk_profile=cell.risk_profile)
    found = optimize(*MARKET, "normal", cell, params, periods_per_year=252, seed=1, holdings=book())
    sign = -1.0 if profile in {"max_sharpe", "black_litterman"} else 1.0
    best = sign * float(found.objective or 0.0)
    rng = np.random.Generator(np.random.PCG64(9))
    ours = np.array(list(found.weights.values()))
    for _ in range(500):
        weights = 0.9 * ours + 0.1 * rng.dirichlet(np.ones(10))
        if weights.max() <= 0.3 and max(posed.limits.cluster_sums(weights)) <= 0.5:
            other = objective(posed, weights)
            assert other is not None
            assert sign * other >= best - 1e-12


def test_costs_above_every_gain_leave_no_ratio() -> None:
    """Means of 1 basis point a day and a purchase at 100 basis points: infeasible, and said so."""
    returns, clusters = MARKET
    values = returns.values - returns.values.mean(axis=0) + 1e-4
    market = Returns(returns.dates, returns.symbols, frozen_array(values)), clusters
    params = make_parameters(
        trading={"linear_bps": 100.0, "holding_days": 10},
        fallback=({"risk_profile": "min_variance"},),  # type: ignore[arg-type]
    )
    found = optimize(
        *market, "normal", Cell(risk_profile="max_sharpe"), params, periods_per_year=252, seed=1
    )
    assert "gains more than the risk-free rate and its costs" in found.fallbacks[0].reason
    assert found.actual == VARIANCE


def test_what_a_cost_needs_is_asked_for() -> None:
    """A volume for the square-root law, days to spread a cost over: errors before any solve."""
    with pytest.raises(ConfigError, match="no daily volume is declared for S000"):
        decided(None, impact_coefficient=1.0, holding_days=10)
    with pytest.raises(ConfigError, match="no days to spread them over"):
        decided(None, linear_bps=1.0)


def test_a_cell_without_costs_is_refused() -> None:
    """Hierarchical weights have no objective that a cost could enter."""
    with pytest.raises(ConfigError, match=r"custom\.hrp cannot honour linear_costs"):
        decided(None, Cell(risk_profile="hrp"), linear_bps=1.0, holding_days=10)


def test_adaptive_is_refused_if_it_may_become_one() -> None:
    """Before the run, not in the window in which the regime changes."""
    with pytest.raises(ConfigError, match=r"custom\.barbell cannot honour turnover_limit"):
        check_cells([Cell(risk_profile="adaptive")], make_parameters(trading={"turnover_limit": 1}))

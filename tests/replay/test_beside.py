"""Certificates with limits beside the caps and costs of trading: confirmed, and every lie found."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from pipeline.config import Cell
from pipeline.optimization.engines.base import capabilities, refusal
from pipeline.optimization.optimize import optimize
from pipeline.values import Holdings
from replay.certificate import certify
from tests.pipeline.optimization.markets import make_market, make_parameters

if TYPE_CHECKING:
    from pipeline.config import OptimizationParams
    from pipeline.optimization.engines.base import Capability
    from replay.certificate import Findings

RETURNS, CLUSTERS = make_market(12, 6, seed=5)
SYMBOLS = RETURNS.symbols
REGIMES = ("quiet", "normal", "turbulent", "crisis")


def caps(cap: float) -> dict[str, float]:
    """Return one cap for all regimes."""
    return dict.fromkeys(REGIMES, cap)


SIDES: dict[str, object] = {
    "sectors": {symbol: f"{'ab'[i % 2]}{i // 6}" for i, symbol in enumerate(SYMBOLS)},
    "sector_caps": caps(0.3),
    "symbol_floors": {"S003": 0.03},
}
COSTS = {"linear_bps": 10.0, "linear_bps_of": {"S001": 30.0}, "holding_days": 10}
ASKED: dict[str, dict[str, object]] = {
    "sectors and floors": SIDES,
    "net exposure": {"net_limits": (0.3, 0.6), "short_symbols": SYMBOLS[8:]},
    "less than all": {**SIDES, "gross_limits": caps(0.8)},
    "ridge by state": {**SIDES, "l2_penalty": 0.05, "l2_multipliers": {"normal": 2.0}},
    "turnover": {**SIDES, "trading": {"turnover_limit": 0.5}},
    "least turnover": {"trading": {"turnover_limit": 0.01, "infeasible_turnover": "relax"}},
    "penalty": {**SIDES, "trading": {"turnover_penalty": 0.05}},
    "linear costs": {**SIDES, "trading": {**COSTS, "turnover_limit": 0.6}},
    "impact": {
        "gross_limits": caps(0.9),
        "trading": {**COSTS, "impact_coefficient": 1.0, "daily_volume": 20.0},
    },
}


def book() -> Holdings:
    """Return eleven positions, cash, and a symbol that must be sold."""
    weights = np.random.Generator(np.random.PCG64(0)).dirichlet(np.ones(11)) * 0.9
    positions = dict(zip(SYMBOLS[:11], weights.tolist(), strict=True))
    return Holdings(0.05, {**positions, "ZZZ": 0.05})


def parameters(name: str) -> OptimizationParams:
    """Return the parameters of one request."""
    more: dict[str, Any] = {"benchmark_symbols": SYMBOLS[:8], "beta_limits": (0.97, 2.0)}
    return make_parameters(0.3, 0.4, **{**more, **ASKED[name]})


def decided(cell: Cell, name: str, holdings: Holdings | None) -> dict[str, Any]:
    """Return the recorded result, as it comes back from the ledger."""
    found = optimize(
        RETURNS,
        CLUSTERS,
        "normal",
        cell,
        parameters(name),
        periods_per_year=252,
        seed=1,
        holdings=holdings,
    )
    return cast("dict[str, Any]", json.loads(json.dumps(found.to_payload())))


def confirmed(result: dict[str, Any], name: str, holdings: Holdings | None) -> Findings:
    """Return what the verifier finds, given parameters and holdings."""
    params = json.loads(json.dumps(parameters(name).model_dump(mode="json")))
    held = {} if holdings is None else holdings.weights()
    return certify(result, RETURNS, CLUSTERS, {**params, "periods_per_year": 252}, held)


ABLE = [
    (entry, name)
    for entry in capabilities()
    for name in ASKED
    if not refusal(entry, parameters(name))
    and entry.risk_profile not in {"adaptive", "market"}
    and (entry.engine == "custom" or name in {"sectors and floors", "turnover", "linear costs"})
]


@pytest.mark.parametrize(
    ("entry", "name"),
    ABLE,
    ids=lambda v: v if isinstance(v, str) else f"{v.engine}.{v.risk_profile}",
)
def test_every_cell_is_confirmed(entry: Capability, name: str) -> None:
    """Whatever the table declares is proven optimal, from a book and from cash."""
    cell = Cell(engine=entry.engine, risk_profile=entry.risk_profile)
    for holdings in (book(), None):
        found = confirmed(decided(cell, name, holdings), name, holdings)
        assert found.broken == ()
        assert found.confirmed


def test_our_gaps_are_rounding() -> None:
    """With costs, powers and limits together: at most 1e-10 of the mean variance."""
    for entry, name in ABLE:
        if entry.engine == "custom":
            cell = Cell(engine="custom", risk_profile=entry.risk_profile)
            assert decided(cell, name, book())["certificate"]["gap"] <= 1e-10, (cell.label, name)


@pytest.mark.parametrize("name", ["impact", "linear costs", "turnover"])
@pytest.mark.parametrize("profile", ["min_variance", "max_sharpe", "min_cvar"])
def test_other_weights_are_not_confirmed(profile: str, name: str) -> None:
    """One percent of weight moved between two symbols costs more than the certificate allows."""
    cell = Cell.model_validate({"risk_profile": profile})
    result = decided(cell, name, book())
    held = sorted(result["weights"], key=result["weights"].__getitem__)
    result["weights"][held[-1]] -= 0.01
    result["weights"][held[-2]] += 0.01
    found = confirmed(result, name, book())
    assert {check.name for check in found.broken} & {"gap", "primal"}


def _wider(result: dict[str, Any]) -> None:
    row = result["certificate"]["rows"]["sector_cap.a0"]
    row["limit"] = 0.35


def _forgotten(result: dict[str, Any]) -> None:
    del result["certificate"]["rows"]["symbol_floor.S003"]


def _other_book(result: dict[str, Any]) -> None:
    result["certificate"]["held"]["S000"] += 0.01


def _more_room(result: dict[str, Any]) -> None:
    result["certificate"]["room"] += 0.1


def _cheaper(result: dict[str, Any]) -> None:
    result["certificate"]["parameters"]["trading"]["linear_bps"] = 1.0


def _negative_price(result: dict[str, Any]) -> None:
    result["certificate"]["prices"]["rows"]["sector_cap.a0"] = -0.1


def _steeper(result: dict[str, Any]) -> None:
    trades = result["certificate"]["prices"]["trades"]
    trades["S000"] = 10.0 * abs(trades["S000"])


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (_wider, "limits"),
        (_forgotten, "limits"),
        (_other_book, "holdings"),
        (_more_room, "limits"),
        (_cheaper, "parameters"),
        (_negative_price, "limit prices"),
        (_steeper, "trade slopes"),
    ],
)
def test_every_lie_is_found(change: Any, check: str) -> None:
    """Limits, book, costs and prices: each change breaks the condition that watches it."""
    result = decided(Cell(risk_profile="min_variance"), "linear costs", book())
    altered = copy.deepcopy(result)
    change(altered)
    assert check in {entry.name for entry in confirmed(altered, "linear costs", book()).broken}
    assert confirmed(result, "linear costs", book()).confirmed


def test_a_turnover_price_without_a_limit_is_refused() -> None:
    """A price of something that is not limited would lower any bound."""
    result = decided(Cell(risk_profile="min_variance"), "penalty", book())
    result["certificate"]["prices"]["turnover"] = 0.1
    assert "limit prices" in {entry.name for entry in confirmed(result, "penalty", book()).broken}

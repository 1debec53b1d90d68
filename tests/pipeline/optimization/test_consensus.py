"""Consensus: libraries agree, and a mistake in one adapter is found within one window."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pipeline.config import Cell
from pipeline.errors import ConfigError, GateClosedError
from pipeline.optimization.consensus import check_agreement
from pipeline.optimization.engines import custom, skfolio
from pipeline.optimization.optimize import optimize
from pipeline.optimization.solution import Solution
from tests.pipeline.optimization.markets import make_market, make_parameters, make_returns

if TYPE_CHECKING:
    from pipeline.optimization.engines.base import Answer
    from pipeline.optimization.problem import Problem

EVERYBODY = ("custom", "skfolio", "riskfolio", "pyportfolioopt", "cvxportfolio")


def solved(profile: str, engine: str = "custom", rows: int = 251, **options: object) -> Solution:
    """Optimise and ask everybody."""
    told: dict[str, object] = {"consensus": EVERYBODY, "consensus_rule": "stop"}
    returns, clusters = make_market(12, 6, rows)
    values = returns.values - returns.values.mean(axis=0) + np.linspace(4e-4, 9e-4, 12)
    rising = make_returns(values)
    names = dict(zip(returns.symbols, rising.symbols, strict=True))
    return optimize(
        rising,
        {number: tuple(names[s] for s in clusters[number]) for number in clusters},
        "normal",
        Cell.model_validate({"engine": engine, "risk_profile": profile}),
        make_parameters(**told | options),  # type: ignore[arg-type]
        periods_per_year=252,
        seed=1,
    )


@pytest.mark.parametrize(
    ("profile", "count"),
    [
        ("min_variance", 4),
        ("max_sharpe", 3),
        ("max_diversification", 3),
        ("min_cvar", 3),
        ("risk_parity", 2),
        ("black_litterman", 1),
        ("hrp", 3),
        ("herc", 2),
        ("herc_cvar", 2),
    ],
)
def test_everybody_agrees(profile: str, count: int) -> None:
    """As many engines as can solve it agree, the others say that they cannot."""
    found = solved(profile, symbol_cap=1.0)
    assert [opinion.agrees for opinion in found.consensus].count(True) == count
    refused = [opinion for opinion in found.consensus if opinion.status == "refused"]
    assert len(refused) == 4 - count
    assert all("cannot solve" in opinion.reason for opinion in refused)
    payload = json.loads(json.dumps(found.to_payload(), allow_nan=False))
    assert Solution.from_payload(payload) == found


def test_an_engine_is_not_asked_about_itself() -> None:
    """The engine of the cell is left out; nobody is asked by default."""
    found = solved("min_variance", "skfolio")
    assert "skfolio" not in {opinion.engine for opinion in found.consensus}
    assert solved("min_variance", consensus=()).consensus == ()


def test_a_known_reason_is_no_disagreement() -> None:
    """skfolio caps inside its bisection; below 100 rows the tail is not measured."""
    capped = solved("hrp", symbol_cap=0.1, consensus=("skfolio",)).consensus[0]
    assert capped.agrees is None
    assert "inside the bisection" in capped.reason
    short = solved("herc_cvar", rows=60, consensus=("skfolio",))
    assert (short.actual.risk_profile, short.consensus[0].agrees) == ("herc", True)


def wrong_scale(problem: Problem) -> Answer:
    """Annualise the covariance of half the symbols."""
    scale = np.where(np.arange(len(problem.symbols)) % 2, np.sqrt(252.0), 1.0)
    covariance = problem.prior.covariance * scale[:, None] * scale
    return skfolio.min_variance(
        replace(problem, prior=replace(problem.prior, covariance=covariance))
    )


def wrong_distance(problem: Problem) -> Answer:
    """Weigh by a tree over the wrong covariance."""
    mixed = np.ascontiguousarray(problem.prior.covariance[::-1, ::-1])
    return custom.hrp(replace(problem, prior=replace(problem.prior, covariance=mixed)))


def no_caps(problem: Problem) -> Answer:
    """Forget the caps."""
    limits = replace(problem.limits, upper=np.ones(len(problem.symbols)), cluster_cap=1.0)
    return skfolio.min_variance(replace(problem, limits=limits))


def nothing(problem: Problem) -> Answer:
    """Give up."""
    return replace(custom.hrp(problem), status="failed", weights=None, reason="gave up")


@pytest.mark.parametrize(
    ("profile", "mistake", "told"),
    [
        ("min_variance", wrong_scale, "skfolio differs by"),
        ("hrp", wrong_distance, "skfolio differs by"),
        ("min_variance", no_caps, "skfolio: the weights break"),
    ],
)
def test_a_mistake_in_one_adapter_is_found_in_one_window(
    profile: str, mistake: object, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrong annualisation, wrong distance, forgotten caps: the gate closes and names the engine."""
    monkeypatch.setitem(skfolio.PROFILES, profile, mistake)  # type: ignore[misc]
    caps: dict[str, Any] = {"symbol_cap": 0.2} if profile == "min_variance" else {}
    with pytest.raises(GateClosedError, match=f"engines disagree about custom.{profile}: {told}"):
        solved(profile, **caps)
    found = solved(profile, consensus_rule="record", **caps)
    assert [o.engine for o in found.consensus if o.agrees is False] == ["skfolio"]


def test_an_engine_without_an_answer_has_no_opinion(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its reason is recorded, and the gate stays open."""
    monkeypatch.setitem(skfolio.PROFILES, "min_variance", nothing)
    (found,) = solved("min_variance", consensus=("skfolio",)).consensus
    assert (found.status, found.agrees, found.reason) == ("failed", None, "gave up")
    check_agreement([found], "custom.min_variance")


def test_unknown_engines_are_refused_before_the_solve() -> None:
    """A name that nobody has."""
    with pytest.raises(ConfigError, match="no engine is called 'nonesuch'"):
        solved("hrp", consensus=("nonesuch",))

"""The fallback chain: every attempt is tried in order and recorded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.config import Cell
from pipeline.errors import SolverError
from pipeline.optimization import fallback
from pipeline.optimization.engines.base import Answer
from pipeline.optimization.optimize import optimize
from tests.pipeline.optimization.markets import make_market, make_parameters

if TYPE_CHECKING:
    from pipeline.optimization.engines.base import Capability
    from pipeline.optimization.problem import Problem

HRP, EQUAL = Cell(risk_profile="hrp"), Cell(risk_profile="equal_weight")


@dataclass
class Scripted:
    """An engine that answers what it is told, in order."""

    answers: list[Answer]
    name: str = "custom"
    capabilities: tuple[Capability, ...] = ()
    asked: list[str] = field(default_factory=list)

    def solve(self, problem: Problem) -> Answer:
        """Return the next answer."""
        self.asked.append(problem.risk_profile)
        return self.answers.pop(0)


def run(
    engine: Scripted, monkeypatch: pytest.MonkeyPatch, *chain: Cell
) -> tuple[str, list[tuple[str, str, str]]]:
    """Optimise three symbols with `engine` in place of every engine."""
    monkeypatch.setattr(fallback, "open_engine", lambda _: engine)
    returns, clusters = make_market(3, 3)
    found = optimize(
        returns,
        clusters,
        "normal",
        Cell(risk_profile="min_variance"),
        make_parameters(0.5, fallback=chain),
        periods_per_year=252,
        seed=1,
    )
    told: list[tuple[str, str, str]] = [
        (a.cell.risk_profile, a.status, a.reason) for a in found.fallbacks
    ]
    return found.actual.risk_profile, told


def test_the_first_success_wins_and_failures_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Infeasible, then good: actual is the second cell, the first is recorded with its reason."""
    good = Answer("closed_form", np.full(3, 1 / 3))
    engine = Scripted([Answer("infeasible", reason="numbers"), good])
    actual, told = run(engine, monkeypatch, HRP, EQUAL)
    assert actual == "hrp"
    assert told == [("min_variance", "infeasible", "numbers")]
    assert engine.asked == ["min_variance", "hrp"]


def test_weights_outside_the_limits_are_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that says optimal and breaks a cap by .1 has failed."""
    liar = Answer("optimal", np.array([0.6, 0.4, 0.0]))
    engine = Scripted([liar, Answer("closed_form", np.full(3, 1 / 3))])
    actual, told = run(engine, monkeypatch, HRP)
    assert actual == "hrp"
    assert told[0][1] == "failed"
    assert "answered optimal, but the weights break a symbol cap by 0.1" in told[0][2]


def test_weights_that_are_not_numbers_are_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """NaN is never a weight."""
    engine = Scripted(
        [Answer("optimal", np.full(3, np.nan)), Answer("closed_form", np.full(3, 1 / 3))]
    )
    assert "3 weights are not finite" in run(engine, monkeypatch, HRP)[1][0][2]


def test_a_cell_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain that names the requested cell again does not repeat it."""
    engine = Scripted([Answer("failed", reason="x"), Answer("failed", reason="y")])
    with pytest.raises(SolverError):
        run(engine, monkeypatch, Cell(risk_profile="min_variance"), HRP, HRP)
    assert engine.asked == ["min_variance", "hrp"]


def test_an_exhausted_chain_names_every_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is invented: the error holds both reasons."""
    engine = Scripted([Answer("failed", reason="one"), Answer("unbounded", reason="two")])
    with pytest.raises(SolverError) as caught:
        run(engine, monkeypatch, HRP)
    assert "custom.min_variance: failed, one; custom.hrp: unbounded, two" in caught.value.what


def test_a_profile_that_becomes_another_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """`solved_as` shows in `actual` and as a fallback."""
    engine = Scripted([Answer("closed_form", np.full(3, 1 / 3), "why", solved_as="hrp")])
    assert run(engine, monkeypatch) == ("hrp", [("min_variance", "failed", "why")])

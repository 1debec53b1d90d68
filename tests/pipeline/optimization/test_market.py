"""The reference portfolio and the room that caps leave for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.optimization.market import (
    absent,
    benchmark_limits,
    betas,
    reference,
    with_benchmark_room,
)
from pipeline.selection.synthesis import Selection
from pipeline.walk import _with_benchmark
from tests.pipeline.optimization.markets import make_problem

PROBLEM = replace(make_problem(6, 3, 0.3, 0.4), benchmark_symbols=("S000", "S003", "SPY"))


def test_reference_is_what_is_declared() -> None:
    """Two of three benchmark symbols are there; without any declared all are held."""
    assert reference(PROBLEM).tolist() == [0.5, 0.0, 0.0, 0.5, 0.0, 0.0]
    assert absent(PROBLEM) == ["SPY"]
    assert reference(replace(PROBLEM, benchmark_symbols=())).tolist() == [1 / 6] * 6
    assert reference(replace(PROBLEM, benchmark_symbols=("SPY",))).tolist() == [1 / 6] * 6


def test_the_reference_has_a_beta_of_one() -> None:
    """So have equal weights when nothing is declared."""
    assert betas(PROBLEM) @ reference(PROBLEM) == pytest.approx(1.0)
    free = replace(PROBLEM, benchmark_symbols=())
    assert betas(free).mean() == pytest.approx(1.0)


def test_room_by_the_declared_rule() -> None:
    """S000 and S003 share a cluster capped at 40 %: cash 60 %, or caps times 2.5."""
    problem = replace(PROBLEM, benchmark_symbols=("S000", "S003"))
    assert benchmark_limits(problem).capacity == 0.4
    assert with_benchmark_room(problem, "stop") is problem
    cash = with_benchmark_room(problem, "cash")
    assert (cash.limits.total, cash.caps.rule) == (0.4, "cash")
    relaxed = with_benchmark_room(problem, "relax")
    assert (relaxed.caps.symbol_cap, relaxed.caps.cluster_cap) == (0.75, 1.0)
    assert relaxed.caps.rule == "relax"
    assert benchmark_limits(relaxed).capacity >= 1.0
    assert np.all(relaxed.limits.upper == 0.75)


def test_the_market_is_held_whether_selected_or_not() -> None:
    """A vetoed benchmark symbol becomes a cluster of its own; one that is not usable stays out."""
    selection = Selection(
        as_of="2020-01-01",
        universe=("A", "B", "SPY"),
        features=(),
        verdicts=(),
        relaxed=0,
        scores=(),
        clusters={1: ("A", "B")},
        clusters_sha256="",
        selected=("A",),
    )
    found = _with_benchmark(selection, ("SPY", "B", "QQQ"))
    assert found == (("A", "B", "SPY"), {1: ("A", "B"), 2: ("SPY",)})


def test_no_room_is_made_for_what_is_absent() -> None:
    """A missing symbol is a failure to report, not a cap to raise."""
    assert with_benchmark_room(PROBLEM, "relax") is PROBLEM

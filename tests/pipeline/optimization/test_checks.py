"""Checks before and after a solve."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from pipeline.errors import DataError, SolverError
from pipeline.optimization import checks
from pipeline.optimization.checks import (
    accepted,
    breach,
    check_returns,
    cluster_columns,
    constraint_rows,
    exact,
    screen,
)
from pipeline.optimization.constraints import Caps, Limits
from pipeline.optimization.engines.base import LinearBound
from tests.pipeline.optimization.markets import make_problem, make_returns

LIMITS = Limits(1.0, np.full(4, 0.4), 0.65, ((0, 1), (2, 3)))


def test_a_hole_is_named_by_symbol_and_day() -> None:
    """NaN and infinity are refused, not filled."""
    values = np.zeros((40, 2))
    values[3, 1] = np.nan
    with pytest.raises(DataError) as caught:
        check_returns(make_returns(values), 30)
    assert caught.value.where == "B, 2020-01-04"


def test_unordered_symbols_are_refused() -> None:
    """Ties are broken by symbol, so the order is part of the contract."""
    with pytest.raises(DataError, match="ascending"):
        check_returns(make_returns(np.zeros((40, 2)), "BA"), 30)


def test_too_few_rows_are_refused() -> None:
    """29 rows with a warm-up of 30 estimate nothing; 30 do."""
    with pytest.raises(SolverError, match="29 rows"):
        check_returns(make_returns(np.zeros((29, 2))), 30)
    check_returns(make_returns(np.zeros((30, 2))), 30)
    with pytest.raises(SolverError, match="expected at least 2"):
        check_returns(make_returns(np.zeros((1, 2))), 1)


def test_symbols_without_variance_are_dropped_with_their_number() -> None:
    """A standard deviation of 1e-10 counts as none, 1e-8 does not."""
    active, dropped = screen("ABC", np.diag([1e-4, 1e-20, 1e-16]))
    assert active == [0, 2]
    assert [(entry.symbol, entry.reason) for entry in dropped] == [
        ("B", "standard deviation 1e-10 at or below 1e-09")
    ]


def test_a_market_that_does_not_move_is_refused() -> None:
    """No symbol left is no portfolio."""
    with pytest.raises(SolverError, match="none of 2"):
        screen("AB", np.zeros((2, 2)))


def test_clusters_are_restricted_to_the_active_symbols() -> None:
    """Foreign symbols and emptied clusters go; positions count among the active."""
    clusters = {2: ("C", "X"), 1: ("A", "D"), 3: ("B",)}
    assert cluster_columns(clusters, "ABCD", [0, 2, 3]) == {1: (0, 2), 2: (1,)}


@pytest.mark.parametrize("clusters", [{1: ("A",)}, {1: ("A", "B"), 2: ("B",)}])
def test_every_symbol_needs_one_cluster(clusters: dict[int, tuple[str, ...]]) -> None:
    """None and two are refused."""
    with pytest.raises(DataError, match="B is in"):
        cluster_columns(clusters, "AB", [0, 1])


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ([0.3, 0.2, 0.25, 0.25], ""),
        ([0.3, 0.2, 0.25, 0.2500005], ""),
        ([0.3, 0.2, 0.25, 0.26], "the total by 0.01"),
        ([-0.01, 0.4, 0.3, 0.31], "below zero by 0.01"),
        ([0.41, 0.09, 0.25, 0.25], "a symbol cap by 0.01"),
        ([0.4, 0.3, 0.15, 0.15], "a cluster cap by 0.05"),
        ([float("nan"), 0.3, 0.3, 0.4], "not finite"),
    ],
)
def test_breaches_are_measured(weights: list[float], words: str) -> None:
    """Each limit is checked whatever the engine says; 1e-6 is tolerated."""
    found = breach(np.array(weights), LIMITS)
    assert words in found if words else not found


def test_exact_weights_have_no_dust_and_no_excess() -> None:
    """-1e-10 and 3e-10 become 0, .4 + 1e-8 becomes .4, and the rest makes up the sum."""
    weights = exact(np.array([0.4 + 1e-8, 3e-10, 0.3, 0.3 - 1e-10]), LIMITS)
    assert (weights[0], weights[1]) == (0.4, 0.0)
    assert abs(math.fsum(weights.tolist()) - 1.0) < 1e-15


def test_dust_that_is_needed_stays() -> None:
    """Where the other symbols are at their caps, a tiny weight must make up the total."""
    limits = Limits(0.8 + 5e-10, np.full(3, 0.4), 1.0, ((0,), (1,), (2,)))
    weights = exact(np.array([0.4, 0.4, 5e-10]), limits)
    assert weights[2] == pytest.approx(5e-10)


def test_constraint_rows_say_what_binds() -> None:
    """A symbol and two clusters at their caps bind; the smallest weight is the long-only row."""
    problem = replace(
        make_problem(4, 2),
        symbols=tuple("ABCD"),
        caps=Caps("normal", 0.4, 0.5, 0.4, 0.5, "none"),
        limits=LIMITS,
        cluster_numbers=(7, 9),
    )
    rows = constraint_rows(np.array([0.4, 0.1, 0.3, 0.2]), problem)
    binding = [(row.kind, row.name) for row in rows if row.binding]
    assert binding == [
        ("budget", "total"),
        ("symbol_cap", "A"),
        ("cluster_cap", "7"),
        ("cluster_cap", "9"),
    ]
    found = (rows[1].kind, rows[1].name, rows[1].value, rows[1].slack)
    assert found == ("long_only", "B", -0.1, 0.1)


def test_weights_that_cannot_be_made_exact_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last step is checked like any other: nothing inexact leaves."""
    close = np.array([0.3, 0.2, 0.25, 0.2500005])
    assert accepted(close, LIMITS)[0] is not None
    monkeypatch.setattr(checks, "exact", lambda weights, _: weights)
    assert accepted(close, LIMITS) == (
        None,
        "no exact weights within 1e-12 of the limits were found",
    )


def test_a_bound_beyond_the_caps_is_checked() -> None:
    """Weights within all caps whose beta is .1 too high are refused with the number."""
    weights = np.full(len(LIMITS.upper), LIMITS.total / len(LIMITS.upper))
    bound = LinearBound("beta", "reference", np.ones(len(weights)), LIMITS.total - 0.1)
    assert accepted(weights, LIMITS, (bound,)) == (
        None,
        "the weights break the limit of reference by 0.1",
    )

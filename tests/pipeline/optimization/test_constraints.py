"""Caps by regime, and the nearest weights that keep them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from pipeline.errors import GateClosedError
from pipeline.optimization.constraints import (
    Limits,
    contains,
    fit,
    linear_minimum,
    project,
    resolve_caps,
)
from pipeline.optimization.quadratic import QuadraticProgram, linear_set, solve
from pipeline.values import frozen_array
from tests.pipeline.optimization.markets import make_parameters

if TYPE_CHECKING:
    from pipeline.values import FloatArray


@st.composite
def limits_and_point(draw: st.DrawFn) -> tuple[Limits, FloatArray]:
    """Draw a set that is not empty and a point that is usually outside."""
    n = draw(st.integers(1, 9))
    numbers = st.floats(0.05, 1.0).map(lambda x: round(x, 3))
    upper = frozen_array([draw(numbers) for _ in range(n)])
    homes = [draw(st.integers(0, 3)) for _ in range(n)]
    clusters = tuple(tuple(i for i in range(n) if homes[i] == home) for home in sorted(set(homes)))
    roomy = Limits(1.0, upper, draw(numbers), clusters)
    share = draw(st.sampled_from([0.1, 0.5, 0.9, 1.0]))
    limits = Limits(min(1.0, share * roomy.capacity), upper, roomy.cluster_cap, clusters)
    point = frozen_array([draw(st.floats(-2.0, 2.0).map(lambda x: round(x, 4))) for _ in range(n)])
    return limits, point


def simple(n: int, total: float, cap: float) -> Limits:
    """Return limits with one cap and no binding cluster."""
    return Limits(total, np.full(n, cap), 1.0, tuple((i,) for i in range(n)))


def test_caps_that_fit_are_kept() -> None:
    """Eight clusters of two at 25 % can weigh 2: nothing is changed."""
    caps, total = resolve_caps([2] * 8, "normal", make_parameters(0.25, 0.25))
    assert (caps.symbol_cap, caps.cluster_cap, caps.rule, total) == (0.25, 0.25, "none", 1.0)


def test_caps_that_sum_to_one_exactly_fit() -> None:
    """Ten times 0.1 is 1 although ten additions of 0.1 are not."""
    assert resolve_caps([1] * 10, "normal", make_parameters(0.1, 0.1))[1] == 1.0


def test_stop_names_the_numbers() -> None:
    """Four clusters at 15 % weigh at most 60 %: the gate closes and says so."""
    with pytest.raises(GateClosedError) as caught:
        resolve_caps([3] * 4, "crisis", make_parameters(0.15, 0.15))
    assert "0.6," in caught.value.what
    assert "12 symbols in 4 clusters" in caught.value.where


def test_relax_multiplies_by_the_least_common_factor() -> None:
    """Clusters of 1 and 4, symbol cap .1, cluster cap .3: capacity .1 + .3, factor 2.5."""
    caps, total = resolve_caps([1, 4], "normal", make_parameters(0.1, 0.3, rule="relax"))
    assert (caps.rule, total) == ("relax", 1.0)
    assert caps.symbol_cap == pytest.approx(0.25)
    assert caps.cluster_cap == pytest.approx(0.75)
    assert (caps.symbol_cap_requested, caps.cluster_cap_requested) == (0.1, 0.3)


@given(st.integers(1, 9), st.floats(0.01, 0.1))
def test_relaxed_caps_of_singletons_are_one_over_n(n: int, cap: float) -> None:
    """Each symbol its own cluster: the relaxed cap is 1/n."""
    caps, _ = resolve_caps([1] * n, "normal", make_parameters(cap, cap, rule="relax"))
    assert caps.symbol_cap == pytest.approx(1.0 / n)


@given(st.lists(st.integers(1, 6), min_size=1, max_size=6), st.floats(0.01, 1), st.floats(0.01, 1))
def test_relaxed_caps_can_sum_to_one(sizes: list[int], symbol: float, cluster: float) -> None:
    """After `relax` the capacity is at least 1, and just 1 where something was relaxed."""
    caps, _ = resolve_caps(sizes, "normal", make_parameters(symbol, cluster, rule="relax"))
    capacity = math.fsum(min(caps.cluster_cap, size * caps.symbol_cap) for size in sizes)
    assert capacity >= 1.0 - 1e-9
    if caps.rule == "relax":
        assert capacity == pytest.approx(1.0)


def test_cash_invests_what_the_caps_allow() -> None:
    """Three clusters at 20 %: 60 % invested."""
    caps, total = resolve_caps([5, 5, 5], "normal", make_parameters(0.2, 0.2, rule="cash"))
    assert caps.rule == "cash"
    assert total == pytest.approx(0.6)


def test_projection_of_a_hand_case() -> None:
    """(.7, .2, .1) with cap .5: the excess .2 is shared equally, (.5, .3, .2)."""
    assert project(np.array([0.7, 0.2, 0.1]), simple(3, 1.0, 0.5)).tolist() == pytest.approx(
        [0.5, 0.3, 0.2]
    )


def test_projection_stops_at_zero() -> None:
    """(1.0, .1, -.5) onto the simplex: threshold .05, (.95, .05, 0)."""
    found = project(np.array([1.0, 0.1, -0.5]), simple(3, 1.0, 1.0))
    assert found.tolist() == pytest.approx([0.95, 0.05, 0.0])


def test_projection_keeps_cluster_caps() -> None:
    """(.4, .4 | .2) with cluster cap .5: the pair falls to .25 each, the third rises to .5."""
    limits = Limits(1.0, np.ones(3), 0.5, ((0, 1), (2,)))
    assert project(np.array([0.4, 0.4, 0.2]), limits).tolist() == pytest.approx([0.25, 0.25, 0.5])


@given(limits_and_point())
def test_projection_lies_in_the_set_and_is_its_own_projection(
    case: tuple[Limits, FloatArray],
) -> None:
    """Invariants 2 and 3: bounds hold exactly, sums to rounding, and nothing moves twice."""
    limits, point = case
    found = project(point, limits)
    assert contains(found, limits, 1e-12)
    again = project(found, limits)
    assert np.abs(again - found).max() < 1e-15


@given(limits_and_point())
def test_projection_is_nearest(case: tuple[Limits, FloatArray]) -> None:
    """No point of the set lies on the far side: (v - p)'(x - p) <= 0 for the best x."""
    limits, point = case
    found = project(point, limits)
    away = point - found
    best = linear_minimum(-away, limits)
    assert float((away * (best - found)).sum()) < 1e-9


@settings(max_examples=40)
@given(limits_and_point())
def test_projection_agrees_with_a_solver(case: tuple[Limits, FloatArray]) -> None:
    """The exact algorithm and an interior-point method find the same point."""
    limits, point = case
    n = len(point)
    solved = solve(QuadraticProgram(np.eye(n), -point, linear_set(limits)))
    assert np.abs(solved.x - project(point, limits)).max() < 1e-5


@given(limits_and_point())
def test_greedy_minimum_agrees_with_linear_programming(case: tuple[Limits, FloatArray]) -> None:
    """Taking the cheapest first is optimal for nested limits."""
    limits, costs = case
    groups = np.zeros((len(limits.clusters), len(costs)))
    for row, members in zip(groups, limits.clusters, strict=True):
        row[list(members)] = 1.0
    exact = linprog(
        costs,
        A_ub=groups,
        b_ub=np.full(len(groups), limits.cluster_cap + 1e-12),
        A_eq=np.ones((1, len(costs))),
        b_eq=[limits.total],
        bounds=[(0.0, float(u)) for u in limits.upper],
    )
    assert float((costs * linear_minimum(costs, limits)).sum()) == pytest.approx(
        exact.fun, abs=1e-8
    )


def test_an_empty_set_is_an_error() -> None:
    """Three weights of at most .2 cannot sum to 1."""
    with pytest.raises(ValueError, match="less than 1"):
        project(np.ones(3), simple(3, 1.0, 0.2))


def test_fit_scales_and_reports_the_largest_change() -> None:
    """Shares of a total of .5 with cap .3: (.8, .2) -> (.4, .1) -> (.3, .2), change .1."""
    weights, distance = fit(np.array([0.8, 0.2]), simple(2, 0.5, 0.3))
    assert weights.tolist() == pytest.approx([0.3, 0.2])
    assert distance == pytest.approx(0.1)


def test_saturation_is_seen() -> None:
    """Caps that just sum to the total leave no room; a little more does."""
    assert simple(4, 1.0, 0.25).saturated
    assert not simple(4, 1.0, 0.26).saturated

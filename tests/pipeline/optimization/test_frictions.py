"""Programmes with costs of trading, against another modelling language and their own conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cvxpy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.optimization.frictions import Frictions, solve_traded
from pipeline.optimization.quadratic import LinearSet, QuadraticProgram

if TYPE_CHECKING:
    from pipeline.optimization.frictions import Traded


def drawn(seed: int, n: int = 8, cap: float = 0.3) -> tuple[QuadraticProgram, np.ndarray]:
    """Return a variance within caps, and a book within them."""
    rng = np.random.Generator(np.random.PCG64(seed))
    rows = rng.normal(size=(40, n))
    points = LinearSet(
        np.ones((1, n)),
        np.array([1.0]),
        np.concatenate((-np.eye(n), np.eye(n))),
        np.concatenate((np.zeros(n), np.full(n, cap))),
    )
    held = np.minimum(rng.dirichlet(np.ones(n)), cap)
    return QuadraticProgram(2.0 * rows.T @ rows / 40.0, np.zeros(n), points), held


def worst(ended: Traded) -> float:
    """Return the largest violation of the conditions of optimality."""
    return max(ended.residuals.values())


@pytest.mark.parametrize("linear", [0.0, 0.02])
@pytest.mark.parametrize("root", [0.0, 0.1])
@pytest.mark.parametrize("room", [None, 0.6])
def test_another_language_finds_the_same_point(
    linear: float, root: float, room: float | None
) -> None:
    """Written as absolute values and powers in cvxpy: objective to 1e-8, weights to 1e-4."""
    program, held = drawn(3)
    n = len(held)
    ended = solve_traded(program, Frictions(held, np.full(n, linear), np.full(n, root), room))
    x = cvxpy.Variable(n)
    u = cvxpy.abs(x - held)
    cost = linear * cvxpy.sum(u) + root * cvxpy.sum(cvxpy.power(u, 1.5))
    limits = [cvxpy.sum(x) == 1.0, x >= 0.0, x <= 0.3]
    limits += [] if room is None else [cvxpy.sum(u) <= room]
    curvature = cvxpy.quad_form(x, cvxpy.psd_wrap(program.P)) / 2.0
    value = cvxpy.Problem(cvxpy.Minimize(curvature + cost), limits).solve(solver="CLARABEL")
    frictions = Frictions(held, np.full(n, linear), np.full(n, root))
    ours = 0.5 * ended.found.x @ program.P @ ended.found.x + frictions.cost(ended.found.x)
    assert ours == pytest.approx(value, abs=1e-8)
    np.testing.assert_allclose(ended.found.x, x.value, atol=1e-4)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(4, 12),
    st.sampled_from([1e-4, 1e-2, 0.1]),
    st.sampled_from([0.0, 1e-3, 0.1, 1.0]),
    st.sampled_from([None, 0.5, 0.9]),
)
def test_the_conditions_hold_to_rounding(
    seed: int, n: int, linear: float, root: float, room: float | None
) -> None:
    """Linear costs, powers and a limit, alone and together: violations are at most 1e-9."""
    program, held = drawn(seed, n)
    ended = solve_traded(program, Frictions(held, np.full(n, linear), np.full(n, root), room))
    if ended.found.status == "infeasible":
        assert room is not None
        return
    assert ended.found.status == "optimal"
    assert worst(ended) <= 1e-9
    traded = np.abs(ended.found.x - held)
    assert room is None or traded.sum() <= room + 1e-12


def test_who_is_not_traded_is_held_to_the_last_bit() -> None:
    """With a cost of half the variance nobody trades beyond what the budget needs."""
    program, _ = drawn(5)
    held = np.array([0.1, 0.15, 0.05, 0.2, 0.125, 0.125, 0.05, 0.2])
    ended = solve_traded(program, Frictions(held, np.full(8, 10.0), np.zeros(8)))
    assert ended.found.x.tolist() == held.tolist()


def test_a_free_trade_is_the_plain_programme() -> None:
    """Without costs and limit the book does not matter."""
    program, held = drawn(7)
    none = np.zeros(8)
    one = solve_traded(program, Frictions(held, none, none)).found.x
    other = solve_traded(program, Frictions(none, none, none)).found.x
    np.testing.assert_allclose(one, other, atol=1e-14)


def test_a_room_too_small_is_infeasible() -> None:
    """From cash to a full book in trades of a half: no point, no residuals."""
    program, _ = drawn(2)
    none = np.zeros(8)
    ended = solve_traded(program, Frictions(none, none, none, 0.5))
    assert (ended.found.status, ended.residuals) == ("infeasible", {})


@given(st.floats(0.0, 2.0), st.floats(0.01, 5.0), st.floats(0.0, 1.0), st.floats(-3.0, 3.0))
def test_no_trade_beats_the_conjugate(
    linear: float, root: float, turnover: float, slope: float
) -> None:
    """`slope * u` exceeds costs and the price of turnover by no more than the conjugate says."""
    frictions = Frictions(np.zeros(1), np.array([linear]), np.array([root]))
    most = frictions.conjugate(np.array([slope]), turnover)
    u = np.linspace(-20.0, 20.0, 4001)
    beyond = slope * u - (linear + turnover) * np.abs(u) - root * np.abs(u) ** 1.5
    assert beyond.max() <= most + 1e-9 * (1.0 + abs(most))

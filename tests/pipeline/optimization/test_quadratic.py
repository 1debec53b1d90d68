"""Quadratic programmes: the solver against exact solutions, residuals against known points."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.optimization import quadratic
from pipeline.optimization.constraints import Limits
from pipeline.optimization.quadratic import (
    LinearSet,
    QuadraticProgram,
    eliminate,
    linear_set,
    polished,
    residuals,
    solve,
)


def simplex(n: int, cap: float = 1.0) -> LinearSet:
    """Return the capped simplex."""
    return linear_set(Limits(1.0, np.full(n, cap), 1.0, tuple((i,) for i in range(n))))


def test_solution_and_residuals_of_a_hand_case() -> None:
    """Minimise x1^2 + 2 x2^2 on the simplex: 2 x1 = 4 x2, so (2/3, 1/3), multiplier -4/3."""
    program = QuadraticProgram(np.diag([2.0, 4.0]), np.zeros(2), simplex(2))
    found = solve(program)
    assert found.status == "optimal"
    assert found.x.tolist() == pytest.approx([2 / 3, 1 / 3], abs=1e-9)
    assert found.y.tolist() == pytest.approx([-4 / 3], abs=1e-8)
    assert max(residuals(program, found).values()) < 1e-9


def test_residuals_of_a_wrong_point() -> None:
    """(1, 0) with the right multiplier: gradient off by 4/3 of 2, gap 2 - 4/3."""
    program = QuadraticProgram(np.diag([2.0, 4.0]), np.zeros(2), simplex(2))
    found = replace(solve(program), x=np.array([1.0, 0.0]), y=np.array([-4 / 3]), z=np.zeros(2))
    worst = residuals(program, found)
    assert worst["primal"] == 0.0
    assert worst["dual"] == pytest.approx(2 / 3)
    assert worst["gap"] == pytest.approx(2 - 4 / 3)


def test_residuals_see_violations_and_wrong_signs() -> None:
    """A sum of 1.1, a weight of -.1 beside 1.2 and a multiplier of -1 are reported."""
    program = QuadraticProgram(np.eye(2), np.zeros(2), simplex(2))
    found = replace(solve(program), x=np.array([1.2, -0.1]), y=np.zeros(1), z=np.array([-1.0, 0.0]))
    worst = residuals(program, found)
    assert worst["primal"] == pytest.approx(0.1 / 1.2)
    assert worst["dual"] == pytest.approx(2.2 / 1.2)


def test_empty_and_unbounded_programmes_are_named() -> None:
    """At once x >= 1 and x <= 0 is infeasible; min -x with x >= 0 is unbounded."""
    one, none = np.ones((1, 1)), np.zeros((0, 1))
    empty = LinearSet(none, np.zeros(0), np.concatenate((one, -one)), np.array([0.0, -1.0]))
    assert solve(QuadraticProgram(one, np.zeros(1), empty)).status == "infeasible"
    ray = LinearSet(none, np.zeros(0), -one, np.zeros(1))
    assert solve(QuadraticProgram(np.zeros((1, 1)), -np.ones(1), ray)).status == "unbounded"


def test_a_set_without_interior_is_written_as_equalities() -> None:
    """Clusters {0, 1} at 2 x .2 and {2, 3, 4} at .6: the first is fixed, the second sums."""
    upper = np.array([0.2, 0.2, 0.5, 0.5, 0.5])
    points = linear_set(Limits(1.0, upper, 0.6, ((0, 1), (2, 3, 4))))
    assert points.e.tolist() == [0.2, 0.2, 0.6]
    assert points.E.tolist() == [[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 1, 1]]
    assert points.h.tolist() == [0, 0, 0, 0.5, 0.5, 0.5]


def test_a_single_point_is_solved() -> None:
    """Four weights of at most .25: nothing to choose."""
    program = QuadraticProgram(np.eye(4), np.zeros(4), simplex(4, 0.25))
    assert solve(program).x.tolist() == pytest.approx([0.25] * 4)


def test_redundant_limits_are_left_out() -> None:
    """Caps at or above the total and clusters that cannot reach their cap give no rows."""
    points = linear_set(Limits(1.0, np.ones(3), 1.0, ((0, 1), (2,))))
    assert points.G.shape == (3, 3)


def test_elimination_solves_and_pivots() -> None:
    """A zero on the diagonal needs a row exchange: x = (3, 2)."""
    matrix = np.array([[0.0, 1.0], [2.0, 1.0]])
    solved = eliminate(matrix, np.array([2.0, 8.0]), np.zeros(2))
    assert solved is not None
    assert solved.tolist() == [3.0, 2.0]


def test_repeated_equations_leave_the_guess() -> None:
    """Given x + y = 2 twice: y stays as guessed, x follows; a contradiction is seen."""
    matrix = np.ones((2, 2))
    solved = eliminate(matrix, np.array([2.0, 2.0]), np.array([0.0, 0.5]))
    assert solved is not None
    assert solved.tolist() == [1.5, 0.5]
    assert eliminate(matrix, np.array([2.0, 3.0]), np.zeros(2)) is None


@given(st.integers(1, 12), st.integers(0, 10_000))
def test_elimination_agrees_with_lapack(n: int, seed: int) -> None:
    """Random systems, to rounding times the condition."""
    rng = np.random.Generator(np.random.PCG64(seed))
    matrix, right = rng.normal(size=(n, n)), rng.normal(size=n)
    solved = eliminate(matrix, right, np.zeros(n))
    assert solved is not None
    bound = 1e-13 * float(np.linalg.cond(matrix)) * (1.0 + float(np.abs(solved).max()))
    assert np.abs(solved - np.linalg.solve(matrix, right)).max() < bound


def test_a_wrong_active_set_is_not_taken() -> None:
    """Multipliers that call a free weight fixed would give a worse point: nothing changes."""
    program = QuadraticProgram(np.diag([2.0, 4.0]), np.zeros(2), simplex(2))
    found = solve(program)
    worse = replace(found, z=np.array([0.7, 0.0]))
    impossible = replace(found, z=np.array([0.7, 0.7]))
    assert polished(program, worse) is worse
    assert polished(program, impossible) is impossible


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 15),
    st.integers(1, 5),
    st.integers(0, 10_000),
    st.sampled_from([0.2, 0.25, 0.34, 0.5, 1.0]),
    st.sampled_from([0.2, 0.25, 0.5, 1.0]),
)
def test_solutions_are_exact(n: int, k: int, seed: int, cap: float, cluster_cap: float) -> None:
    """Any caps, degenerate ones too: all conditions of optimality hold to 1e-13."""
    clusters = tuple(tuple(range(first, n, k)) for first in range(min(n, k)))
    limits = Limits(1.0, np.full(n, cap), cluster_cap, clusters)
    limits = replace(limits, total=min(1.0, limits.capacity))
    rng = np.random.Generator(np.random.PCG64(seed))
    rows = rng.normal(size=(n + 20, n)) * rng.uniform(0.3, 2.0, n) + rng.normal(size=(n + 20, 1))
    matrix = rows.T @ rows / len(rows)
    program = QuadraticProgram(matrix, np.zeros(n), linear_set(limits))
    found = solve(program)
    assert found.status == "optimal"
    assert max(residuals(program, found).values()) < 1e-13


@pytest.mark.parametrize("seed", range(4))
def test_the_factorisation_does_not_reach_the_weights(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is used from some size on finds the same active set, so the same bytes."""
    rng = np.random.Generator(np.random.PCG64(seed))
    factors = rng.normal(size=(12, 40))
    program = QuadraticProgram(
        factors.T @ factors / 12 + np.eye(40), np.zeros(40), simplex(40, 0.1)
    )
    small = solve(program)
    monkeypatch.setattr(quadratic, "_LARGE", 0)
    assert solve(program).x.tobytes() == small.x.tobytes()

"""Quadratic programmes: the solver against exact solutions, residuals against known points."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.optimization.constraints import Limits
from pipeline.optimization.quadratic import (
    LinearSet,
    QuadraticProgram,
    linear_set,
    residuals,
    solve,
)


def simplex(n: int, cap: float = 1.0) -> LinearSet:
    """Return the capped simplex."""
    return linear_set(Limits(1.0, np.full(n, cap), 1.0, tuple((i,) for i in range(n))))


def test_solution_and_residuals_of_a_hand_case() -> None:
    """min (x1^2 + 2 x2^2) on the simplex: 2 x1 = 4 x2, so (2/3, 1/3), multiplier -4/3."""
    program = QuadraticProgram(np.diag([2.0, 4.0]), np.zeros(2), simplex(2))
    found = solve(program)
    assert found.status == "optimal"
    assert found.x.tolist() == pytest.approx([2 / 3, 1 / 3], abs=1e-9)
    assert found.y.tolist() == pytest.approx([-4 / 3], abs=1e-8)
    assert max(residuals(program, found).values()) < 1e-9


def test_residuals_of_a_wrong_point() -> None:
    """(1, 0) with the right multiplier: feasible, gradient off by 2/3, gap 1 - 2/3."""
    program = QuadraticProgram(np.diag([2.0, 4.0]), np.zeros(2), simplex(2))
    found = replace(
        solve(program), x=np.array([1.0, 0.0]), y=np.array([-4 / 3]), z=np.zeros(2)
    )
    worst = residuals(program, found)
    assert worst["primal"] == 0.0
    assert worst["dual"] == pytest.approx(4 / 3)
    assert worst["gap"] == pytest.approx(2 - 4 / 3)


def test_residuals_see_violations_and_wrong_signs() -> None:
    """A sum of 1.1, a weight of -.1 and a multiplier of -1 are reported."""
    program = QuadraticProgram(np.eye(2), np.zeros(2), simplex(2))
    found = replace(
        solve(program), x=np.array([1.2, -0.1]), y=np.zeros(1), z=np.array([-1.0, 0.0])
    )
    worst = residuals(program, found)
    assert worst["primal"] == pytest.approx(0.1)
    assert worst["dual"] >= 1.0


def test_empty_and_unbounded_programmes_are_named() -> None:
    """x >= 1 with x <= 0 is infeasible; min -x with x >= 0 is unbounded."""
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

"""Convex quadratic programmes: one form, one solver, residuals of our own.

`minimise x'Px / 2 + q'x  subject to  Ex = e,  Gx <= h`. Clarabel is called directly: building a
model in a modelling language costs ten times the solve. The solver starts cold, has no time limit
and a factorisation that depends on the size alone, so that equal bytes in give equal bytes out on
every machine.

An interior-point method ends near the solution (1e-9), never on it. `polished` finds out which
inequalities hold with equality and solves the linear equations that are left, so that a weight at
its cap is the cap and the conditions of optimality hold to rounding (1e-15).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import clarabel
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipeline.optimization.constraints import Limits
    from pipeline.optimization.solution import Status
    from pipeline.values import FloatArray

TOLERANCE = 1e-11
"""Feasibility and gap, absolute and relative, on programmes scaled to about 1."""

ROUNDING = 1e-14
"""Violations that no other point betters."""

_RANK_TOLERANCE = 1e-12
"""Pivots and contradictions below this, relative to the largest coefficient, are rounding."""

_STATUS: dict[str, Status] = {
    "Solved": "optimal",
    "AlmostSolved": "optimal_inaccurate",
    "PrimalInfeasible": "infeasible",
    "AlmostPrimalInfeasible": "infeasible",
    "DualInfeasible": "unbounded",
    "AlmostDualInfeasible": "unbounded",
}


@dataclass(frozen=True, slots=True, eq=False)
class LinearSet:
    """Points with `Ex = e` and `Gx <= h`.

    Attributes
    ----------
    E, G : ndarray of shape (n_equalities, n), (n_inequalities, n)
        Rows.
    e, h : ndarray of shape (n_equalities,), (n_inequalities,)
        Right sides.
    """

    E: FloatArray
    e: FloatArray
    G: FloatArray
    h: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class QuadraticProgram:
    """The programme of the module docstring; `P` symmetric positive semidefinite."""

    P: FloatArray
    q: FloatArray
    points: LinearSet


@dataclass(frozen=True, slots=True, eq=False)
class PrimalDual:
    """What the solver returned.

    Attributes
    ----------
    status : str
        In our words; `solver_status` in those of the solver.
    x : ndarray of shape (n,)
        Primal point.
    y, z : ndarray of shape (n_equalities,), (n_inequalities,)
        Multipliers of `Ex = e` and `Gx <= h`.
    iterations : int
        Interior-point iterations.
    residuals : dict of str to float or None
        Violations of the conditions of optimality, where `polished` computed them for this point.
    """

    status: Status
    solver_status: str
    x: FloatArray
    y: FloatArray
    z: FloatArray
    iterations: int
    residuals: dict[str, float] | None = None


def linear_set(limits: Limits) -> LinearSet:
    """Return the allowed weights as rows.

    Where the caps leave no room (`Limits.saturated`) the inequalities have no interior point and
    an interior-point method loses digits; there the sums are written as equalities: a cluster
    whose symbols are all at their caps is fixed, any other weighs exactly `cluster_cap`.
    """
    n = len(limits.upper)
    unit, upper = np.eye(n), limits.upper
    groups = np.zeros((len(limits.clusters), n))
    for row, members in zip(groups, limits.clusters, strict=True):
        row[list(members)] = 1.0
    full = np.array([math.fsum(upper[list(members)].tolist()) for members in limits.clusters])
    if not limits.saturated:
        capped = upper < limits.total
        binding = (full > limits.cluster_cap) & (limits.cluster_cap < limits.total)
        return LinearSet(
            np.ones((1, n)),
            np.array([limits.total]),
            np.concatenate((-unit, unit[capped], groups[binding])),
            np.concatenate(
                (np.zeros(n), upper[capped], np.full(int(binding.sum()), limits.cluster_cap))
            ),
        )
    fixed = (groups * (full <= limits.cluster_cap)[:, None]).sum(axis=0) > 0.0
    free = full > limits.cluster_cap
    return LinearSet(
        np.concatenate((unit[fixed], groups[free])),
        np.concatenate((upper[fixed], np.full(int(free.sum()), limits.cluster_cap))),
        np.concatenate((-unit[~fixed], unit[~fixed])),
        np.concatenate((np.zeros(int((~fixed).sum())), upper[~fixed])),
    )


def solve(program: QuadraticProgram) -> PrimalDual:
    """Solve `program` with Clarabel.

    Source: Goulart and Chen (2024), "Clarabel: an interior-point solver for conic programs with
    quadratic objectives".
    """
    ended = called(program, len(program.points.h), [])
    solved = ended.status in {"optimal", "optimal_inaccurate"}
    return polished(program, ended) if solved else ended


def called(program: QuadraticProgram, inequalities: int, cones: Sequence[object]) -> PrimalDual:
    """Return what Clarabel finds, as it leaves it.

    The first `inequalities` of the rows `Gx <= h` are inequalities; the slacks `h - Gx` of those
    after them lie in `cones`.
    """
    points = program.points
    equalities = len(points.e)
    every: list[object] = [clarabel.ZeroConeT(equalities)]
    if inequalities:
        every.append(clarabel.NonnegativeConeT(inequalities))
    curvature, rows = _sparse(np.triu(program.P)), _sparse(np.concatenate((points.E, points.G)))
    large = curvature.nnz + rows.nnz > _LARGE
    found = clarabel.DefaultSolver(
        curvature,
        program.q,
        rows,
        np.concatenate((points.e, points.h)),
        [*every, *cones],
        _LARGE_SETTINGS if large else _SETTINGS,
    ).solve()
    dual, name = np.array(found.z), str(found.status)
    return PrimalDual(
        _STATUS.get(name, "failed"),
        name,
        np.array(found.x),
        dual[:equalities],
        dual[equalities:],
        int(found.iterations),
    )


def polished(program: QuadraticProgram, found: PrimalDual, *, strict: bool = True) -> PrimalDual:
    """Return the exact solution with the active inequalities of `found`, if it is a better one.

    An inequality is active where its multiplier exceeds its slack. Active bounds fix variables;
    for the free ones the conditions of optimality are linear equations. Where these have many
    solutions, what they leave open stays as found. If the result violates a condition more than
    `found` does (the guess of the active set was wrong), `found` is returned, unless `strict` is
    off: then the caller judges.
    """
    points, n = program.points, len(found.x)
    active = np.flatnonzero(found.z > points.h - (points.G * found.x).sum(axis=1))
    single = np.count_nonzero(points.G[active], axis=1) == 1
    bounds, others = active[single], active[~single]
    fixed = np.abs(points.G[bounds]).argmax(axis=1)
    scale = points.G[bounds, fixed]
    x = np.zeros(n)
    x[fixed] = points.h[bounds] / scale
    moves = np.ones(n, dtype=np.bool_)
    moves[fixed] = False
    free = np.flatnonzero(moves)
    rows = np.concatenate((points.E, points.G[others]))
    right = np.concatenate((points.e, points.h[others])) - (rows * x).sum(axis=1)
    pull = program.q + (program.P * x).sum(axis=1)
    across, size = rows[:, free], len(free)
    matrix = np.zeros((size + len(rows), size + len(rows)))
    matrix[:size, :size] = program.P[free][:, free]
    matrix[size:, :size], matrix[:size, size:] = across, across.T
    guess = np.concatenate((found.x[free], found.y, found.z[others]))
    solved = eliminate(matrix, np.concatenate((-pull[free], right)), guess)
    if solved is None:
        return found
    x[free] = solved[:size]
    multipliers = solved[size:]
    slope = program.q + (program.P * x).sum(axis=1) + (rows * multipliers[:, None]).sum(axis=0)
    z = np.zeros(len(points.h))
    z[others], z[bounds] = multipliers[len(points.e) :], -slope[fixed] / scale
    exact = replace(found, x=x, y=multipliers[: len(points.e)], z=z, residuals=None)
    if not strict:
        return exact
    told = residuals(program, exact)
    worst = max(told.values())
    better = worst <= ROUNDING or worst < max(residuals(program, found).values())
    return replace(exact, residuals=told) if better else found


def eliminate(matrix: FloatArray, right: FloatArray, guess: FloatArray) -> FloatArray | None:
    """Solve the square system `matrix x = right` by Gaussian elimination, without BLAS.

    Rows are pivoted. An unknown for which no pivot is left (equations that repeat others) keeps
    its value of `guess`.

    Returns
    -------
    ndarray of shape (n,) or None
        `None` if the repeated equations contradict the others.
    """
    n, row = len(right), 0
    work = np.concatenate((matrix, right[:, None]), axis=1)
    smallest = _RANK_TOLERANCE * float(np.abs(matrix).max(initial=0.0))
    solution, pivots = guess.copy(), []
    for k in range(n):
        pivot = row + int(np.abs(work[row:, k]).argmax())
        if abs(work[pivot, k]) <= smallest:
            continue
        if pivot != row:
            work[[row, pivot]] = work[[pivot, row]]
        factors = work[row + 1 :, k] / work[row, k]
        work[row + 1 :, k:] -= factors[:, None] * work[row, k:]
        pivots.append(k)
        row += 1
    if row < n and float(np.abs(work[row:, n]).max()) > _RANK_TOLERANCE:
        return None
    for i in range(row - 1, -1, -1):
        k = pivots[i]
        known = math.fsum((work[i, k + 1 : n] * solution[k + 1 :]).tolist())
        solution[k] = (work[i, n] - known) / work[i, k]
    return solution


def residuals(program: QuadraticProgram, found: PrimalDual) -> dict[str, float]:
    """Return violations of the optimality conditions, computed from the vectors alone.

    `primal`: largest violation of a constraint. `dual`: largest entry of
    `Px + q + E'y + G'z`, or the most negative `z`. `gap`: primal minus dual objective,
    `|x'Px + q'x + e'y + h'z|`. Each is relative to the largest entry of `x`, the largest entry of
    `Px` and the primal objective where that exceeds 1. All three are zero exactly at a minimum.
    """
    points, x, y, z = program.points, found.x, found.y, found.z
    curvature = (program.P * x).sum(axis=1)
    gradient = curvature + program.q
    gradient = gradient + (points.E * y[:, None]).sum(axis=0) + (points.G * z[:, None]).sum(axis=0)
    equal = np.abs((points.E * x).sum(axis=1) - points.e)
    above = (points.G * x).sum(axis=1) - points.h
    bent, straight = math.fsum((curvature * x).tolist()), math.fsum((program.q * x).tolist())
    bound = math.fsum([*(points.e * y).tolist(), *(points.h * z).tolist()])
    return {
        "primal": max(_largest(equal), _largest(above)) / max(1.0, _largest(np.abs(x))),
        "dual": max(_largest(np.abs(gradient)), _largest(-z))
        / max(1.0, _largest(np.abs(curvature))),
        "gap": abs(bent + straight + bound) / max(1.0, abs(bent / 2.0 + straight)),
    }


def _largest(values: FloatArray) -> float:
    return max(0.0, float(values.max())) if len(values) else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    """A sparse matrix by columns, as the solver reads it; scipy's costs more than its use."""

    data: FloatArray
    indices: NDArray[np.int64]
    indptr: NDArray[np.int64]
    shape: tuple[int, ...]
    has_sorted_indices: bool = True
    has_canonical_format: bool = True

    @property
    def nnz(self) -> int:
        """How many entries there are."""
        return len(self.data)


def _sparse(matrix: FloatArray) -> _Columns:
    columns = np.ascontiguousarray(matrix.T)
    column, row = np.nonzero(columns)
    starts = np.zeros(len(columns) + 1, dtype=np.int64)
    np.cumsum(np.bincount(column, minlength=len(columns)), out=starts[1:])
    return _Columns(columns[column, row], row, starts, matrix.shape)


def _settings(method: str) -> clarabel.DefaultSettings:
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.direct_solve_method = method
    settings.max_threads = 1
    settings.max_iter = 200
    settings.tol_feas = settings.tol_gap_abs = settings.tol_gap_rel = TOLERANCE
    return settings


_LARGE = 60_000
"""Coefficients from which the supernodal factorisation is faster (measured: 400 assets twice)."""

_SETTINGS = _settings("qdldl")
_LARGE_SETTINGS = _settings("faer")

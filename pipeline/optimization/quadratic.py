"""Convex quadratic programmes: one form, one solver, residuals of our own.

`minimise x'Px / 2 + q'x  subject to  Ex = e,  Gx <= h`. Clarabel is called directly: building a
model in a modelling language costs ten times the solve. The solver starts cold, has no time limit
and one factorisation method, so that equal bytes in give equal bytes out on every machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import clarabel
import numpy as np
from scipy.sparse import csc_matrix

if TYPE_CHECKING:
    from pipeline.optimization.constraints import Limits
    from pipeline.optimization.solution import Status
    from pipeline.values import FloatArray

TOLERANCE = 1e-11
"""Feasibility and gap, absolute and relative, on programmes scaled to about 1."""

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
    """

    status: Status
    solver_status: str
    x: FloatArray
    y: FloatArray
    z: FloatArray
    iterations: int


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
    points = program.points
    equalities, inequalities = len(points.e), len(points.h)
    cones = [clarabel.ZeroConeT(equalities)]
    if inequalities:
        cones.append(clarabel.NonnegativeConeT(inequalities))
    found = clarabel.DefaultSolver(
        _sparse(np.triu(program.P)),
        program.q,
        _sparse(np.concatenate((points.E, points.G))),
        np.concatenate((points.e, points.h)),
        cones,
        _SETTINGS,
    ).solve()
    dual = np.array(found.z)
    name = str(found.status)
    return PrimalDual(
        _STATUS.get(name, "failed"),
        name,
        np.array(found.x),
        dual[:equalities],
        dual[equalities:],
        int(found.iterations),
    )


def residuals(program: QuadraticProgram, found: PrimalDual) -> dict[str, float]:
    """Return violations of the optimality conditions, computed from the vectors alone.

    `primal`: largest violation of a constraint. `dual`: largest entry of
    `Px + q + E'y + G'z`, or the most negative `z`. `gap`: primal minus dual objective,
    `|x'Px + q'x + e'y + h'z|`. All three are zero exactly at a minimum.
    """
    points, x, y, z = program.points, found.x, found.y, found.z
    curvature = (program.P * x).sum(axis=1)
    gradient = curvature + program.q
    gradient = gradient + (points.E * y[:, None]).sum(axis=0) + (points.G * z[:, None]).sum(axis=0)
    equal = np.abs((points.E * x).sum(axis=1) - points.e)
    above = (points.G * x).sum(axis=1) - points.h
    terms = (curvature * x, program.q * x, points.e * y, points.h * z)
    return {
        "primal": max(_largest(equal), _largest(above)),
        "dual": max(_largest(np.abs(gradient)), _largest(-z)),
        "gap": abs(math.fsum(term for part in terms for term in part.tolist())),
    }


def _largest(values: FloatArray) -> float:
    return max(0.0, float(values.max())) if len(values) else 0.0


def _sparse(matrix: FloatArray) -> csc_matrix[np.float64]:
    """Return `matrix` by columns; scipy's own conversion goes through a slower form."""
    columns = np.ascontiguousarray(matrix.T)
    column, row = np.nonzero(columns)
    counts = np.bincount(column, minlength=len(columns))
    starts = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(counts)))
    return csc_matrix((columns[column, row], row, starts), shape=matrix.shape)


def _settings() -> clarabel.DefaultSettings:
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.direct_solve_method = "qdldl"
    settings.max_threads = 1
    settings.max_iter = 200
    settings.tol_feas = settings.tol_gap_abs = settings.tol_gap_rel = TOLERANCE
    return settings


_SETTINGS = _settings()

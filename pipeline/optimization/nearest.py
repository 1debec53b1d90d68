"""The allowed weights that are nearest to some others, all limits counted.

Within the caps alone there is a closed form (`constraints.project`); with limits beside them, or a
limit on turnover, it is a quadratic programme. Either way the answer knows the prices that prove
it, and weights of any engine are moved by what its tolerance left open.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline.optimization.checks import TOLERANCE, TOTAL_TOLERANCE, accepted
from pipeline.optimization.constraints import contains, fit
from pipeline.optimization.engines.base import Duals
from pipeline.optimization.frictions import solve_traded
from pipeline.optimization.quadratic import QuadraticProgram
from pipeline.optimization.side_limits import with_rows
from pipeline.optimization.trading import no_cost_frictions

if TYPE_CHECKING:
    from pipeline.optimization.constraints import Limits
    from pipeline.optimization.engines.base import Answer
    from pipeline.optimization.frictions import Frictions, Traded
    from pipeline.optimization.problem import Problem
    from pipeline.values import FloatArray

ROW_TOLERANCE = 1e-11
"""By how much accepted weights may exceed a limit beside the caps: what a programme leaves open."""

OUTSIDE = "no weights within the limits: {} after {} iterations"
"""Why nothing is nearest."""


@dataclass(frozen=True, slots=True, eq=False)
class Nearest:
    """The nearest allowed weights, `None` if nothing is allowed.

    Attributes
    ----------
    weights : ndarray of shape (n_symbols,) or None
    distance : float
        Largest change of a weight.
    duals : Duals or None
        Prices of the limits beside the caps; `None` if there are none.
    reason : str
        Why there are no weights.
    """

    weights: FloatArray | None
    distance: float = 0.0
    duals: Duals | None = None
    reason: str = ""


def nearest(problem: Problem, shares: FloatArray, limits: Limits | None = None) -> Nearest:
    """Return the weights nearest to `shares` of the total, within `limits` or those of `problem`.

    `shares` sum to 1 and are multiplied by the total.
    """
    held = problem.limits if limits is None else limits
    if limited_by_caps(problem):
        return Nearest(*fit(shares, held))
    wanted = shares * held.total
    ended = _projected(replace(problem, limits=held), wanted)
    if ended.found.status not in {"optimal", "optimal_inaccurate"}:
        told = OUTSIDE.format(ended.found.solver_status, ended.found.iterations)
        return Nearest(None, reason=told)
    weights = ended.found.x
    return Nearest(
        weights,
        float(np.abs(weights - wanted).max()),
        duals_of(problem, ended, no_cost_frictions(problem)),
    )


def limited_by_caps(problem: Problem) -> bool:
    """Return whether the caps are all that limits the weights."""
    return not problem.rows and (problem.trading is None or problem.trading.limit is None)


def _projected(problem: Problem, wanted: FloatArray) -> Traded:
    program = QuadraticProgram(
        np.eye(len(wanted)), 0.0 - wanted, with_rows(problem.limits, problem.rows)
    )
    return solve_traded(program, no_cost_frictions(problem))


def duals_of(
    problem: Problem, ended: Traded, frictions: Frictions, unit: float = 1.0, after: int = 0
) -> Duals:
    """Return the prices of the limits beside the caps, divided by `unit`.

    `after` is how many further inequalities follow the rows of the problem.
    """
    stop = len(ended.found.z) - after
    rows = np.maximum(ended.found.z[stop - len(problem.rows) : stop], 0.0)
    slopes = ended.trades + frictions.root_slope(ended.found.x)
    return Duals(rows / unit, slopes / unit, ended.turnover / unit)


def held_to(problem: Problem, answer: Answer) -> tuple[FloatArray | None, str]:
    """Return the weights of an answer, moved exactly within all limits, or which limit they break.

    Raises
    ------
    ValueError
        If the answer has no weights.
    """
    if answer.weights is None:
        msg = f"an answer without weights: {answer.reason}"
        raise ValueError(msg)
    weights, broken = accepted(answer.weights, problem.limits, answer.bounds)
    if weights is None or limited_by_caps(problem):
        return weights, broken
    excess = excesses(problem, weights)
    worst = max(excess, key=lambda name: excess[name])
    if excess[worst] > TOLERANCE:
        return None, f"the weights break {worst} by {excess[worst]:.3g}, tolerance {TOLERANCE:g}"
    if excess[worst] <= ROW_TOLERANCE:
        return weights, ""
    moved = _exactly(problem, weights)
    if moved is None:
        return None, f"no exact weights within {worst} were found"
    return moved, ""


def _exactly(problem: Problem, weights: FloatArray) -> FloatArray | None:
    """Return the nearest weights that keep all limits to rounding; what is zero stays zero."""
    limits = problem.limits
    narrow = replace(limits, upper=np.where(weights > 0.0, limits.upper, 0.0))
    for held in (narrow, limits):
        if held.capacity < limits.total:
            continue
        ended = _projected(replace(problem, limits=held), weights)
        moved = np.minimum(np.maximum(ended.found.x, 0.0), limits.upper) + 0.0
        kept = contains(moved, limits, TOTAL_TOLERANCE)
        if kept and max(excesses(problem, moved).values()) <= ROW_TOLERANCE:
            return moved
    return None


def excesses(problem: Problem, weights: FloatArray) -> dict[str, float]:
    """Return by how much `weights` exceed each limit beside the caps."""
    found = {row.label: row.value(weights) - row.limit for row in problem.rows}
    trading = problem.trading
    if trading is not None and trading.limit is not None:
        found["turnover"] = trading.turnover(weights) - trading.limit
    return found

"""Our own engine: closed forms, coordinate descent, and Clarabel called directly.

It depends on no BLAS, thread count or hash seed: equal problems give equal bytes.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline.optimization import risk_profiles
from pipeline.optimization.barbell import part, sides
from pipeline.optimization.constraints import CAPACITY_TOLERANCE, fit
from pipeline.optimization.engines.base import CAPABILITIES, Answer
from pipeline.optimization.objectives import (
    annual_sharpe_ratio,
    penalised_variance,
    ridged,
    suboptimality,
)
from pipeline.optimization.quadratic import (
    LinearSet,
    QuadraticProgram,
    linear_set,
    residuals,
    solve,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipeline.config import RiskProfile
    from pipeline.optimization.problem import Problem
    from pipeline.optimization.quadratic import PrimalDual
    from pipeline.values import FloatArray

RISK_SHARE_LIMIT = 1e-8
"""Risk shares further from equality than this are no risk parity."""

MEAN_NOISE = 1e-12
"""A mean excess return at or below this share of the standard deviation is the rounding of 0."""


def equal_weight(problem: Problem) -> Answer:
    """Weigh all assets equally."""
    return _closed_form(problem, risk_profiles.equal_weight(len(problem.symbols)))


def benchmark(problem: Problem) -> Answer:
    """Weigh clusters equally and, inside each, its assets equally."""
    return _closed_form(problem, risk_profiles.benchmark(problem.limits.clusters))


def hrp(problem: Problem) -> Answer:
    """Weigh by hierarchical risk parity."""
    return _closed_form(problem, risk_profiles.hrp(problem.prior.covariance))


def _closed_form(problem: Problem, shares: FloatArray) -> Answer:
    weights, distance = fit(shares, problem.limits)
    return Answer("closed_form", weights, residuals={"projection": distance})


def risk_parity(problem: Problem) -> Answer:
    """Weigh so that all assets contribute equally to the variance.

    Caps are applied afterwards by projection; `risk_share_deviation` is that of the weights
    returned, so equal shares show as (almost) zero and capped ones do not.
    """
    covariances = problem.prior.covariance
    found = risk_profiles.risk_parity(covariances)
    if found.deviation > RISK_SHARE_LIMIT:
        reason = (
            f"risk shares differ from equality by {found.deviation:.3g} after {found.cycles} "
            f"cycles, expected at most {RISK_SHARE_LIMIT:g}: the assets can hedge each other fully"
        )
        return Answer("failed", reason=reason, iterations=found.cycles)
    weights, distance = fit(found.weights, problem.limits)
    shares = risk_profiles.risk_shares(covariances, weights)
    return Answer(
        "optimal",
        weights,
        iterations=found.cycles,
        residuals={
            "projection": distance,
            "risk_share_deviation": float(np.abs(shares - 1.0 / len(shares)).max()),
        },
    )


def min_variance(problem: Problem) -> Answer:
    """Minimise the variance, with the ridge, within the limits."""
    matrix = 2.0 * ridged(problem)
    program = QuadraticProgram(matrix, np.zeros(len(matrix)), linear_set(problem.limits))
    found = solve(program)
    if found.status not in {"optimal", "optimal_inaccurate"}:
        return _unsolved(found)
    return Answer(
        found.status,
        found.x,
        objective=penalised_variance(problem, found.x),
        iterations=found.iterations,
        residuals={
            **residuals(program, found),
            "suboptimality": suboptimality(problem, found.x),
        },
    )


def max_sharpe(problem: Problem) -> Answer:
    """Maximise the Sharpe ratio within the limits.

    With `y = k w` and `k > 0` free, the ratio is largest where `y'Sy` is smallest at excess mean
    1; all limits are multiplied by `k`. This needs a portfolio that beats the risk-free rate.

    Source: Charnes and Cooper (1962), "Programming with linear fractional functionals".
    """
    excess = problem.prior.mean - problem.risk_free_rate
    best = float(excess.max())
    if best <= MEAN_NOISE * math.sqrt(problem.prior.mean_variance):
        reason = (
            f"no asset beats the risk-free rate: the best mean return is "
            f"{float(problem.prior.mean.max()):.6g} per period, the rate "
            f"{problem.risk_free_rate:.6g}"
        )
        return Answer("infeasible", reason=reason)
    program = _homogeneous(problem, excess / best)
    found = solve(program)
    if found.status == "infeasible":
        reason = "no portfolio within the limits beats the risk-free rate"
        return Answer("infeasible", reason=reason, iterations=found.iterations)
    if found.status not in {"optimal", "optimal_inaccurate"}:
        return _unsolved(found)
    weights = found.x[:-1] / found.x[-1]
    ratio = annual_sharpe_ratio(problem, weights)
    if ratio is None:
        reason = "a portfolio without variance beats the risk-free rate: the ratio has no maximum"
        return Answer("unbounded", reason=reason, iterations=found.iterations)
    return Answer(
        found.status,
        weights,
        objective=ratio,
        iterations=found.iterations,
        residuals=residuals(program, found),
    )


def _homogeneous(problem: Problem, excess: FloatArray) -> QuadraticProgram:
    """Return the programme in `(y, k)`: `Ex = e` becomes `Ey - ek = 0`, and so on."""
    n, points = len(excess), linear_set(problem.limits)
    curvature = np.zeros((n + 1, n + 1))
    curvature[:n, :n] = 2.0 * ridged(problem)
    equal = np.concatenate((points.E, -points.e[:, None]), axis=1)
    below = np.concatenate((points.G, -points.h[:, None]), axis=1)
    unit_mean = np.append(excess, 0.0)[None, :]
    right = np.append(np.zeros(len(equal)), 1.0)
    return QuadraticProgram(
        curvature,
        np.zeros(n + 1),
        LinearSet(np.concatenate((equal, unit_mean)), right, below, np.zeros(len(below))),
    )


def _unsolved(found: PrimalDual) -> Answer:
    status = "failed" if found.status in {"optimal", "optimal_inaccurate"} else found.status
    reason = f"Clarabel ended with {found.solver_status} after {found.iterations} iterations"
    return Answer(status, reason=reason, iterations=found.iterations)


def barbell(problem: Problem) -> Answer:
    """Weigh a small aggressive side of antifragile leaders against a core of all other clusters.

    The leaders share `aggressive_share` of the total equally; the core
    (`risk_profiles.barbell_core`) takes the rest, projected on the caps. A single cluster has no
    aggressive side: then the answer is `hrp` and says so. Where the sides differ from what was
    asked because of the caps (`pipeline.optimization.barbell`), the residuals show it.
    """
    limits = problem.limits
    if len(limits.clusters) == 1:
        reason = "one cluster has no aggressive side; its core of all assets is hrp"
        return replace(hrp(problem), solved_as="hrp", reason=reason)
    found = sides(problem)
    rest = limits.total - found.aggressive
    if rest > found.core_room + CAPACITY_TOLERANCE:
        reason = (
            f"within the caps the core can weigh {found.core_room:.6g} and the leaders "
            f"{found.leader_room:.6g}, together less than {limits.total:.6g}"
        )
        return Answer("infeasible", reason=reason)
    leaders, core = list(found.leaders), list(found.core)
    weights = np.zeros(len(problem.symbols))
    weights[leaders], _ = fit(
        risk_profiles.equal_weight(len(leaders)),
        part(limits, leaders, [[leader] for leader in leaders], found.aggressive),
    )
    covariances = np.ascontiguousarray(problem.prior.covariance[np.ix_(core, core)])
    weights[core], distance = fit(
        risk_profiles.barbell_core(covariances), part(limits, core, found.core_clusters, rest)
    )
    told = {
        "aggressive_clusters": float(len(leaders)),
        "aggressive_share": found.aggressive,
        "projection": distance,
    }
    return Answer("closed_form", weights, residuals=told)


PROFILES: Mapping[RiskProfile, Callable[[Problem], Answer]] = {
    "equal_weight": equal_weight,
    "benchmark": benchmark,
    "min_variance": min_variance,
    "max_sharpe": max_sharpe,
    "risk_parity": risk_parity,
    "hrp": hrp,
    "barbell": barbell,
}
"""Risk profile -> the function that solves it."""


class CustomEngine:
    """The engine `custom`."""

    name = "custom"
    capabilities = tuple(entry for entry in CAPABILITIES if entry.engine == "custom")

    def solve(self, problem: Problem) -> Answer:
        """Return weights for `problem`, or why there are none."""
        return PROFILES[problem.risk_profile](problem)


ENGINE = CustomEngine()

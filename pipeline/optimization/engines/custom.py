"""Our own engine: closed forms, coordinate descent, and Clarabel called directly.

It depends on no BLAS, thread count or hash seed: equal problems give equal bytes.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline.optimization import hierarchy, risk_profiles, tail
from pipeline.optimization.barbell import part, sides
from pipeline.optimization.constraints import CAPACITY_TOLERANCE, fit, linear_minimum
from pipeline.optimization.engines.base import CAPABILITIES, Answer, LinearBound
from pipeline.optimization.frictions import solve_traded
from pipeline.optimization.invested import no_tail
from pipeline.optimization.market import absent, benchmark_limits, betas, reference
from pipeline.optimization.nearest import duals_of, nearest
from pipeline.optimization.objectives import (
    annual_sharpe_ratio,
    diversification,
    net_tail_risk,
    net_variance,
    penalised_variance,
    ridged,
    suboptimality,
    tail_risk,
    with_views,
)
from pipeline.optimization.quadratic import (
    LinearSet,
    QuadraticProgram,
    linear_set,
    residuals,
    solve,
)
from pipeline.optimization.ratios import best_net_ratio
from pipeline.optimization.side_limits import with_rows
from pipeline.optimization.trading import (
    no_cost_frictions,
    return_frictions,
    variance_frictions,
)
from pipeline.optimization.views import CONTRADICTION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipeline.config import RiskProfile
    from pipeline.optimization.constraints import Limits
    from pipeline.optimization.engines.base import Duals
    from pipeline.optimization.hierarchy import Split
    from pipeline.optimization.problem import Problem
    from pipeline.optimization.quadratic import PrimalDual
    from pipeline.values import FloatArray

RISK_SHARE_LIMIT = 1e-8
"""Risk shares further from equality than this are no risk parity."""

SOLVED = frozenset({"optimal", "optimal_inaccurate"})
"""Statuses with a point."""

MEAN_NOISE = 1e-12
"""A mean excess return at or below this share of the standard deviation is the rounding of 0."""


def equal_weight(problem: Problem) -> Answer:
    """Weigh all assets equally."""
    return _closed_form(problem, risk_profiles.equal_weight(len(problem.symbols)))


def benchmark(problem: Problem) -> Answer:
    """Weigh clusters equally and, inside each, its assets equally."""
    return _closed_form(problem, risk_profiles.benchmark(problem.limits.clusters))


def market(problem: Problem) -> Answer:
    """Hold the benchmark symbols equally, and nothing else."""
    missing = absent(problem)
    if missing or not problem.benchmark_symbols:
        reason = f"benchmark symbols {missing} are not among the symbols of this window"
        return Answer("failed", reason=reason)
    limits = benchmark_limits(problem)
    if limits.capacity < limits.total - CAPACITY_TOLERANCE:
        reason = (
            f"within the caps the benchmark symbols weigh {limits.capacity:.6g}, less than "
            f"{limits.total:.6g}"
        )
        return Answer("infeasible", reason=reason)
    return _closed_form(problem, reference(problem), limits)


def hrp(problem: Problem) -> Answer:
    """Weigh by hierarchical risk parity."""
    return _tree(problem, hierarchy.hrp(problem.prior.covariance))


def herc(problem: Problem) -> Answer:
    """Weigh by hierarchical equal risk contribution, risk being the variance.

    The tree is cut into as many clusters as the selection has.
    """
    count = len(problem.limits.clusters)
    return _tree(problem, hierarchy.herc_variance(problem.prior.covariance, count))


def herc_cvar(problem: Problem) -> Answer:
    """Weigh by hierarchical equal risk contribution, risk being the mean of the worst losses."""
    if reason := no_tail(problem):
        return replace(herc(problem), solved_as="herc", reason=reason)
    split = hierarchy.herc_tail(
        problem.prior.covariance,
        len(problem.limits.clusters),
        problem.scaled_returns,
        problem.tail_level,
    )
    return _tree(problem, split)


def _tree(problem: Problem, split: Split) -> Answer:
    return replace(_closed_form(problem, split.weights), split=split)


def _closed_form(problem: Problem, shares: FloatArray, limits: Limits | None = None) -> Answer:
    found = nearest(problem, shares, limits)
    if found.weights is None:
        return Answer("infeasible", reason=found.reason)
    told = {"projection": found.distance}
    return Answer("closed_form", found.weights, residuals=told, duals=found.duals)


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
    near = nearest(problem, found.weights)
    if near.weights is None:
        return Answer("infeasible", reason=near.reason, iterations=found.cycles)
    shares = risk_profiles.risk_shares(covariances, near.weights)
    return Answer(
        "optimal",
        near.weights,
        iterations=found.cycles,
        shares=found.weights,
        duals=near.duals,
        residuals={
            "projection": near.distance,
            "risk_share_deviation": float(np.abs(shares - 1.0 / len(shares)).max()),
        },
    )


def min_variance(problem: Problem) -> Answer:
    """Minimise the variance, with ridge and costs of trading, within the limits."""
    if not problem.plain:
        return _min_net_variance(problem)
    matrix = 2.0 * ridged(problem)
    program = QuadraticProgram(matrix, np.zeros(len(matrix)), linear_set(problem.limits))
    found = solve(program)
    if found.status not in SOLVED:
        return _unsolved(found)
    return Answer(
        found.status,
        found.x,
        objective=penalised_variance(problem, found.x),
        iterations=found.iterations,
        residuals={
            **(found.residuals or residuals(program, found)),
            "suboptimality": suboptimality(problem, found.x),
        },
    )


def _min_net_variance(problem: Problem) -> Answer:
    """Minimise variance, ridge and costs of trading."""
    matrix, points = 2.0 * ridged(problem), with_rows(problem.limits, problem.rows)
    program = QuadraticProgram(matrix, np.zeros(len(matrix)), points)
    frictions = variance_frictions(problem)
    ended = solve_traded(program, frictions)
    if ended.found.status not in SOLVED:
        return _unsolved(ended.found)
    return Answer(
        ended.found.status,
        ended.found.x,
        objective=net_variance(problem, ended.found.x),
        iterations=ended.found.iterations,
        residuals=ended.residuals,
        duals=duals_of(problem, ended, frictions),
    )


def market_neutral(problem: Problem) -> Answer:
    """Minimise the variance at an absolute beta of at most the first limit that is feasible.

    Weights are long; a low beta needs symbols that move against the reference, or short streams
    given as inverted returns.
    """
    slope = betas(problem)
    for limit in problem.beta_limits:
        program = _bounded(problem, slope, limit)
        found, proof, duals = _plainly_or_traded(problem, program)
        if found.status in SOLVED:
            return Answer(
                found.status,
                found.x,
                objective=net_variance(problem, found.x),
                iterations=found.iterations,
                residuals={**proof, "beta": limit},
                bounds=(LinearBound("beta", "reference", slope, limit),),
                bound_price=float(found.z[-2] - found.z[-1]),
                duals=duals,
            )
    if found.status != "infeasible":
        return _unsolved(found)
    lowest = linear_minimum(slope, problem.limits)
    reason = (
        f"no weights within the limits have a beta of at most {problem.beta_limits[-1]:g} without "
        f"short positions; the lowest is {math.fsum((slope * lowest).tolist()):.6g}"
    )
    return Answer("infeasible", reason=reason, iterations=found.iterations)


def _plainly_or_traded(
    problem: Problem, program: QuadraticProgram
) -> tuple[PrimalDual, dict[str, float], Duals | None]:
    """Solve a variance under a beta, with the costs of trading where there are any."""
    if problem.plain:
        found = solve(program)
        return found, residuals(program, found), None
    frictions = variance_frictions(problem)
    ended = solve_traded(program, frictions)
    if ended.found.status not in SOLVED:
        return ended.found, {}, None
    return ended.found, ended.residuals, duals_of(problem, ended, frictions, after=2)


def _bounded(problem: Problem, slope: FloatArray, limit: float) -> QuadraticProgram:
    """Return the programme of minimum variance with `|slope'x| <= limit`."""
    matrix, points = 2.0 * ridged(problem), with_rows(problem.limits, problem.rows)
    return QuadraticProgram(
        matrix,
        np.zeros(len(matrix)),
        LinearSet(
            points.E,
            points.e,
            np.concatenate((points.G, slope[None, :], -slope[None, :])),
            np.concatenate((points.h, [limit, limit])),
        ),
    )


def min_cvar(problem: Problem) -> Answer:
    """Minimise the mean of the worst losses (conditional value at risk) within the limits."""
    if not problem.plain:
        return _min_net_tail(problem)
    ended = tail.least_tail_loss(
        problem.scaled_returns, problem.tail_level, linear_set(problem.limits)
    )
    if ended.found.status not in SOLVED:
        return _unsolved(ended.found)
    return Answer(
        ended.found.status,
        ended.weights,
        objective=tail_risk(problem, ended.weights),
        iterations=ended.found.iterations,
        residuals=ended.residuals,
        scenarios=ended.scenarios,
    )


def _min_net_tail(problem: Problem) -> Answer:
    """Minimise the mean of the worst losses and the costs of trading."""
    returns, points = problem.scaled_returns, with_rows(problem.limits, problem.rows)
    program = tail.tail_program(returns, problem.tail_level, points)
    frictions = return_frictions(problem)
    ended = solve_traded(program, frictions)
    if ended.found.status not in SOLVED:
        return _unsolved(ended.found)
    first, rows, weights = len(points.h), len(returns), ended.found.x[: len(problem.symbols)]
    return Answer(
        ended.found.status,
        weights,
        objective=net_tail_risk(problem, weights),
        iterations=ended.found.iterations,
        residuals=ended.residuals,
        scenarios=np.maximum(ended.found.z[first : first + rows], 0.0),
        duals=duals_of(problem, ended, frictions, after=2 * rows),
    )


def max_diversification(problem: Problem) -> Answer:
    """Maximise the weighted mean of standard deviations over that of the portfolio.

    Source: Choueifaty and Coignard (2008), "Toward maximum diversification".
    """
    deviations = np.sqrt(np.diagonal(problem.prior.covariance))
    return _best_ratio(problem, deviations, lambda weights: diversification(problem, weights))


def max_sharpe(problem: Problem) -> Answer:
    """Maximise the Sharpe ratio within the limits."""
    excess = problem.prior.mean - problem.risk_free_rate
    if float(excess.max()) <= MEAN_NOISE * math.sqrt(problem.prior.mean_variance):
        reason = (
            f"no asset beats the risk-free rate: the best mean return is "
            f"{float(problem.prior.mean.max()):.6g} per period, the rate "
            f"{problem.risk_free_rate:.6g}"
        )
        return Answer("infeasible", reason=reason)
    return _best_ratio(problem, excess, lambda weights: annual_sharpe_ratio(problem, weights))


def black_litterman(problem: Problem) -> Answer:
    """Maximise the Sharpe ratio under the returns that equilibrium and views imply."""
    updated = with_views(problem)
    if updated is None:
        return Answer("failed", reason=CONTRADICTION)
    return max_sharpe(updated)


def _best_ratio(
    problem: Problem, gains: FloatArray, measure: Callable[[FloatArray], float | None]
) -> Answer:
    """Maximise `gains'w` over the standard deviation.

    With `y = k w` and `k > 0` free, the ratio is largest where `y'Sy` is smallest at a gain of 1;
    all limits are multiplied by `k`. This needs a portfolio with a gain above 0.

    Source: Charnes and Cooper (1962), "Programming with linear fractional functionals".
    """
    if not problem.plain:
        free = problem.risk_profile == "max_diversification"
        frictions = no_cost_frictions(problem) if free else return_frictions(problem)
        scale = 1.0 if free else math.sqrt(problem.prior.mean_variance)
        return best_net_ratio(problem, gains / scale, frictions, measure)
    program = _homogeneous(problem, gains / float(gains.max()))
    found = solve(program)
    if found.status == "infeasible":
        reason = "no portfolio within the limits beats the risk-free rate"
        return Answer("infeasible", reason=reason, iterations=found.iterations)
    if found.status not in SOLVED:
        return _unsolved(found)
    weights = found.x[:-1] / found.x[-1]
    ratio = measure(weights)
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


def _homogeneous(problem: Problem, gains: FloatArray) -> QuadraticProgram:
    """Return the programme in `(y, k)`: `Ex = e` becomes `Ey - ek = 0`, and so on."""
    n, points = len(gains), linear_set(problem.limits)
    curvature = np.zeros((n + 1, n + 1))
    curvature[:n, :n] = 2.0 * ridged(problem)
    equal = np.concatenate((points.E, -points.e[:, None]), axis=1)
    below = np.concatenate((points.G, -points.h[:, None]), axis=1)
    unit_gain = np.append(gains, 0.0)[None, :]
    right = np.append(np.zeros(len(equal)), 1.0)
    return QuadraticProgram(
        curvature,
        np.zeros(n + 1),
        LinearSet(np.concatenate((equal, unit_gain)), right, below, np.zeros(len(below))),
    )


def _unsolved(found: PrimalDual) -> Answer:
    status = "failed" if found.status in SOLVED else found.status
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
    split = risk_profiles.barbell_core(covariances)
    shares = risk_profiles.equal_weight(len(core)) if split is None else split.weights
    weights[core], distance = fit(shares, part(limits, core, found.core_clusters, rest))
    told = {
        "aggressive_clusters": float(len(leaders)),
        "aggressive_share": found.aggressive,
        "projection": distance,
    }
    return Answer("closed_form", weights, residuals=told, split=split)


PROFILES: Mapping[RiskProfile, Callable[[Problem], Answer]] = {
    "equal_weight": equal_weight,
    "benchmark": benchmark,
    "market": market,
    "min_variance": min_variance,
    "max_sharpe": max_sharpe,
    "max_diversification": max_diversification,
    "min_cvar": min_cvar,
    "risk_parity": risk_parity,
    "hrp": hrp,
    "herc": herc,
    "herc_cvar": herc_cvar,
    "barbell": barbell,
    "black_litterman": black_litterman,
    "market_neutral": market_neutral,
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

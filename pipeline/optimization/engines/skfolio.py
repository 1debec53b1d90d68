"""The engine `skfolio`: convex optimisation through cvxpy, hierarchical risk parity.

Returns are scaled to mean variance 1 and tolerances are set, because the defaults lose digits at
the scale of daily returns. skfolio sums weights to 1; a smaller total is divided out of the caps
before and multiplied in afterwards. Weights are reproducible on one class of processor; between
classes the last digits differ, since skfolio computes its moments with BLAS.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import numpy as np
from skfolio import RiskMeasure
from skfolio.cluster import HierarchicalClustering, LinkageMethod
from skfolio.distance import PearsonDistance
from skfolio.exceptions import OptimizationError
from skfolio.optimization import (
    HierarchicalRiskParity,
    MeanRisk,
    ObjectiveFunction,
    RiskBudgeting,
)
from skfolio.seriation import HierarchicalSeriation

from pipeline.optimization.constraints import fit
from pipeline.optimization.engines.base import CAPABILITIES, Answer
from pipeline.optimization.hierarchy import HRP_LINKAGE
from pipeline.optimization.objectives import penalised_variance, suboptimality
from pipeline.optimization.risk_profiles import risk_shares

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipeline.config import RiskProfile
    from pipeline.optimization.problem import Problem
    from pipeline.optimization.solution import Status
    from pipeline.values import FloatArray

SOLVER_PARAMS: dict[str, float] = {"tol_feas": 1e-9, "tol_gap_abs": 1e-9, "tol_gap_rel": 1e-9}
"""Passed to Clarabel. skfolio states the variance as a second-order cone, for which tighter
tolerances end as inaccurate; with these the weights are within 1e-5 of the exact ones."""

RISK_SHARE_LIMIT = 1e-4
"""Risk shares further from equality than this are no risk parity."""


def min_variance(problem: Problem) -> Answer:
    """Minimise the variance, with the ridge, within the limits: `MeanRisk`."""
    limits, n = problem.limits, len(problem.symbols)
    groups = np.zeros((len(limits.clusters), n))
    for row, members in zip(groups, limits.clusters, strict=True):
        row[list(members)] = 1.0
    model = MeanRisk(
        objective_function=ObjectiveFunction.MINIMIZE_RISK,
        risk_measure=RiskMeasure.VARIANCE,
        max_weights=_shares(problem),
        left_inequality=groups,
        right_inequality=np.full(len(groups), limits.cluster_cap / limits.total),
        l2_coef=problem.l2_penalty,
        solver="CLARABEL",
        solver_params=SOLVER_PARAMS,
    )
    status, shares, reason = _fitted(model, problem)
    if shares is None:
        return Answer(status, reason=reason)
    weights = shares * limits.total
    return Answer(
        status,
        weights,
        objective=penalised_variance(problem, weights),
        residuals={"suboptimality": suboptimality(problem, weights)},
    )


def risk_parity(problem: Problem) -> Answer:
    """Weigh so that all assets contribute equally to the variance: `RiskBudgeting`.

    skfolio can put caps into the problem, but then its shares are neither equal nor those of the
    engine `custom`; they are applied by projection instead.
    """
    model = RiskBudgeting(
        risk_measure=RiskMeasure.VARIANCE, solver="CLARABEL", solver_params=SOLVER_PARAMS
    )
    status, shares, reason = _fitted(model, problem)
    if shares is None:
        return Answer(status, reason=reason)
    unequal = _deviation(problem, shares)
    if unequal > RISK_SHARE_LIMIT:
        reason = f"risk shares differ from equality by {unequal:.3g}, limit {RISK_SHARE_LIMIT:g}"
        return Answer("failed", reason=reason)
    weights, distance = fit(shares / math.fsum(shares.tolist()), problem.limits)
    found = {"projection": distance, "risk_share_deviation": _deviation(problem, weights)}
    return Answer(status, weights, residuals=found)


def _deviation(problem: Problem, weights: FloatArray) -> float:
    shares = risk_shares(problem.prior.covariance, weights)
    return float(np.abs(shares - 1.0 / len(shares)).max())


def hrp(problem: Problem) -> Answer:
    """Weigh by hierarchical risk parity: symbol caps in the bisection, cluster caps after it."""
    if len(problem.symbols) == 1:
        return Answer(
            "closed_form", np.array([problem.limits.total]), residuals={"projection": 0.0}
        )
    clustering = HierarchicalClustering(linkage_method=LinkageMethod(HRP_LINKAGE))
    model = HierarchicalRiskParity(
        risk_measure=RiskMeasure.VARIANCE,
        distance_estimator=PearsonDistance(),
        seriation_estimator=HierarchicalSeriation(
            hierarchical_clustering_estimator=clustering, optimal_ordering=False
        ),
        max_weights=_shares(problem),
    )
    status, shares, reason = _fitted(model, problem)
    if shares is None:
        return Answer(status, reason=reason)
    weights, distance = fit(shares, problem.limits)
    return Answer("closed_form", weights, residuals={"projection": distance})


def _shares(problem: Problem) -> FloatArray:
    """Return the symbol caps as shares of the total."""
    return np.minimum(problem.limits.upper / problem.limits.total, 1.0)


def _fitted(
    model: MeanRisk | RiskBudgeting | HierarchicalRiskParity, problem: Problem
) -> tuple[Status, FloatArray | None, str]:
    """Fit `model` on the scaled returns and translate how it ended."""
    scaled = problem.returns / math.sqrt(problem.prior.mean_variance)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model.fit(scaled)
        except OptimizationError as error:
            return "failed", None, f"skfolio: {error}"
    inaccurate = any("inaccurate" in str(warning.message) for warning in caught)
    weights = np.array(model.weights_, dtype=np.float64)
    return ("optimal_inaccurate" if inaccurate else "optimal"), weights, ""


PROFILES: Mapping[RiskProfile, Callable[[Problem], Answer]] = {
    "min_variance": min_variance,
    "risk_parity": risk_parity,
    "hrp": hrp,
}
"""Risk profile -> the function that solves it."""


class SkfolioEngine:
    """The engine `skfolio`."""

    name = "skfolio"
    capabilities = tuple(entry for entry in CAPABILITIES if entry.engine == "skfolio")

    def solve(self, problem: Problem) -> Answer:
        """Return weights for `problem`, or why there are none."""
        return PROFILES[problem.risk_profile](problem)


ENGINE = SkfolioEngine()

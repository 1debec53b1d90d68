"""The engine `skfolio`: convex optimisation through cvxpy, trees, risk budgeting.

Mean, covariance and correlations of the problem are handed over as its prior and distance, at mean
variance 1, so nothing depends on the estimators of the library, which use BLAS. Tolerances are set,
because the defaults lose digits.

`black_litterman` is not adapted: skfolio reads views as text with rounded numbers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import cvxpy
import numpy as np
from skfolio import RiskMeasure
from skfolio.cluster import HierarchicalClustering, LinkageMethod
from skfolio.distance import BaseDistance
from skfolio.exceptions import OptimizationError
from skfolio.optimization import (
    HierarchicalEqualRiskContribution,
    HierarchicalRiskParity,
    MaximumDiversification,
    MeanRisk,
    ObjectiveFunction,
    RiskBudgeting,
)
from skfolio.prior import BasePrior, ReturnDistribution
from skfolio.seriation import HierarchicalSeriation

from pipeline.optimization.engines.base import CAPABILITIES, Answer
from pipeline.optimization.hierarchy import HRP_LINKAGE
from pipeline.optimization.invested import (
    Invested,
    equal_risk,
    heard,
    no_tail,
    nothing_gains,
    projected,
    share_frictions,
    solved,
)
from pipeline.statistics import correlation, correlation_distance

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from skfolio.optimization import BaseOptimization

    from pipeline.config import RiskProfile
    from pipeline.optimization.invested import Heard
    from pipeline.optimization.problem import Problem
    from pipeline.values import FloatArray

SOLVER_PARAMS: dict[str, float] = {"tol_feas": 1e-9, "tol_gap_abs": 1e-9, "tol_gap_rel": 1e-9}
"""Passed to Clarabel. skfolio states the variance as a second-order cone, for which tighter
tolerances end as inaccurate; with these the weights are within 1e-5 of the exact ones."""


class GivenPrior(BasePrior):  # type: ignore[misc]  # skfolio has no types
    """Mean and covariance as they are given; the returns are those of `fit`."""

    def __init__(self, mean: FloatArray, covariance: FloatArray) -> None:
        self.mean = mean
        self.covariance = covariance

    def fit(self, X: FloatArray, y: None = None, **_: object) -> GivenPrior:  # noqa: N803
        """Set the distribution."""
        del y
        self.return_distribution_ = ReturnDistribution(
            mu=self.mean, covariance=self.covariance, returns=X
        )
        return self


class GivenDistance(BaseDistance):  # type: ignore[misc]  # same
    """The correlation distance of a given covariance."""

    def __init__(self, covariance: FloatArray) -> None:
        self.covariance = covariance

    def fit(self, X: FloatArray, y: None = None) -> GivenDistance:  # noqa: N803
        """Set correlation and distance."""
        del X, y
        self.codependence_ = correlation(self.covariance)
        self.distance_ = correlation_distance(self.codependence_)
        return self


def min_variance(problem: Problem) -> Answer:
    """Minimise the variance, with the ridge, within the limits: `MeanRisk`."""
    return _mean_risk(problem, RiskMeasure.VARIANCE, ObjectiveFunction.MINIMIZE_RISK)


def min_cvar(problem: Problem) -> Answer:
    """Minimise the mean of the worst losses within the limits: `MeanRisk`."""
    return _mean_risk(problem, RiskMeasure.CVAR, ObjectiveFunction.MINIMIZE_RISK)


def max_sharpe(problem: Problem) -> Answer:
    """Maximise the Sharpe ratio within the limits: `MeanRisk`."""
    if reason := nothing_gains(problem):
        return Answer("infeasible", reason=reason)
    return _mean_risk(problem, RiskMeasure.STANDARD_DEVIATION, ObjectiveFunction.MAXIMIZE_RATIO)


def _mean_risk(problem: Problem, measure: RiskMeasure, aim: ObjectiveFunction) -> Answer:
    invested = Invested.of(problem)
    model = MeanRisk(
        objective_function=aim,
        risk_measure=measure,
        cvar_beta=problem.tail_level,
        prior_estimator=GivenPrior(invested.excess, invested.covariance),
        max_weights=invested.upper,
        left_inequality=invested.matrix,
        right_inequality=invested.right,
        add_constraints=_turnover(problem),
        solver="CLARABEL",
        solver_params=SOLVER_PARAMS,
    )
    return _convex(problem, model)


def _turnover(problem: Problem) -> Callable[[cvxpy.Expression], list[cvxpy.Constraint]] | None:
    """Return the limit on turnover; the library's own `max_turnover` limits each asset alone."""
    if problem.trading is None:
        return None
    told = share_frictions(problem)
    if told.room is None:
        return None
    return lambda weights: [cvxpy.norm1(weights - told.held) <= told.room]


def max_diversification(problem: Problem) -> Answer:
    """Maximise the weighted mean of standard deviations over that of the portfolio."""
    invested = Invested.of(problem)
    model = MaximumDiversification(
        prior_estimator=GivenPrior(invested.excess, problem.prior.covariance),
        max_weights=invested.upper,
        left_inequality=invested.matrix,
        right_inequality=invested.right,
        solver="CLARABEL",
        solver_params=SOLVER_PARAMS,
    )
    return _convex(problem, model)


def _convex(problem: Problem, model: BaseOptimization) -> Answer:
    found = _fitted(model, problem)
    if isinstance(found, Answer):
        return found
    return solved(problem, found.status, found.value)


def risk_parity(problem: Problem) -> Answer:
    """Weigh so that all assets contribute equally to the variance: `RiskBudgeting`.

    skfolio can put caps into the problem, but then its shares are neither equal nor those of the
    engine `custom`; they are applied by projection instead.
    """
    invested = Invested.of(problem)
    model = RiskBudgeting(
        risk_measure=RiskMeasure.VARIANCE,
        prior_estimator=GivenPrior(invested.excess, problem.prior.covariance),
        solver="CLARABEL",
        solver_params=SOLVER_PARAMS,
    )
    found = _fitted(model, problem)
    if isinstance(found, Answer):
        return found
    return equal_risk(problem, found.status, found.value)


def hrp(problem: Problem) -> Answer:
    """Weigh by hierarchical risk parity: symbol caps in the bisection, cluster caps after it."""
    invested = Invested.of(problem)
    model = HierarchicalRiskParity(
        risk_measure=RiskMeasure.VARIANCE,
        prior_estimator=GivenPrior(invested.excess, problem.prior.covariance),
        distance_estimator=GivenDistance(problem.prior.covariance),
        seriation_estimator=HierarchicalSeriation(
            hierarchical_clustering_estimator=HierarchicalClustering(
                linkage_method=LinkageMethod(HRP_LINKAGE)
            ),
            optimal_ordering=False,
        ),
        max_weights=invested.upper,
    )
    return _hierarchical(problem, model)


def herc(problem: Problem) -> Answer:
    """Weigh by hierarchical equal risk contribution, as many clusters as the selection has."""
    return _hierarchical(problem, _herc(problem, RiskMeasure.VARIANCE))


def herc_cvar(problem: Problem) -> Answer:
    """Weigh by hierarchical equal risk contribution, risk being the mean of the worst 5 %."""
    if reason := no_tail(problem):
        return replace(herc(problem), solved_as="herc", reason=reason)
    if problem.tail_level != TREE_TAIL_LEVEL:
        reason = f"the trees of skfolio know a tail level of {TREE_TAIL_LEVEL:g} only"
        return Answer("failed", reason=f"{reason}, asked for {problem.tail_level:g}")
    return _hierarchical(problem, _herc(problem, RiskMeasure.CVAR))


TREE_TAIL_LEVEL = 0.95
"""Tail level of the risk measures of its trees, which have no parameter for it."""


def _herc(problem: Problem, measure: RiskMeasure) -> HierarchicalEqualRiskContribution:
    invested = Invested.of(problem)
    return HierarchicalEqualRiskContribution(
        risk_measure=measure,
        prior_estimator=GivenPrior(invested.excess, problem.prior.covariance),
        distance_estimator=GivenDistance(problem.prior.covariance),
        hierarchical_clustering_estimator=HierarchicalClustering(
            max_clusters=len(problem.limits.clusters), linkage_method=LinkageMethod(HRP_LINKAGE)
        ),
    )


def _hierarchical(problem: Problem, model: BaseOptimization) -> Answer:
    if len(problem.symbols) == 1:
        return projected(problem, np.ones(1))
    found = _fitted(model, problem)
    return found if isinstance(found, Answer) else projected(problem, found.value)


def _fitted(model: BaseOptimization, problem: Problem) -> Heard[FloatArray] | Answer:
    """Fit `model` on the scaled returns; what it raises becomes a failed answer."""

    def fit() -> FloatArray:
        return np.array(model.fit(problem.scaled_returns).weights_, dtype=np.float64)

    try:
        return heard(fit)
    except OptimizationError as error:
        return Answer("failed", reason=f"skfolio: {error}")


PROFILES: Mapping[RiskProfile, Callable[[Problem], Answer]] = {
    "min_variance": min_variance,
    "max_sharpe": max_sharpe,
    "max_diversification": max_diversification,
    "min_cvar": min_cvar,
    "risk_parity": risk_parity,
    "hrp": hrp,
    "herc": herc,
    "herc_cvar": herc_cvar,
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

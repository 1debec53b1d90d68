"""The engine `riskfolio`: convex optimisation through cvxpy, trees, risk budgeting.

Mean and covariance of the problem are set on the portfolio instead of being estimated, so nothing
depends on the library's estimators. Linear constraints are `A w <= b`. On failure the library
prints and returns `None`; both become the reason of a failed attempt.

`max_diversification` is its Sharpe ratio with standard deviations in place of the means.
`black_litterman` is not adapted: the library's `tau` is one over the rows and its views have no
confidence, which is another problem.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import riskfolio

from pipeline.optimization.engines.base import CAPABILITIES, Answer
from pipeline.optimization.hierarchy import HRP_LINKAGE
from pipeline.optimization.invested import (
    Invested,
    equal_risk,
    heard,
    no_tail,
    nothing_gains,
    projected,
    solved,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipeline.config import RiskProfile
    from pipeline.optimization.problem import Problem
    from pipeline.values import FloatArray

SOLVER_PARAMS: dict[str, float] = {
    "tol_feas": 1e-10,
    "tol_gap_abs": 1e-10,
    "tol_gap_rel": 1e-10,
}
"""Passed to Clarabel."""


def min_variance(problem: Problem) -> Answer:
    """Minimise the variance, with the ridge, within the limits."""
    return _optimised(problem, Invested.of(problem), "MV", "MinRisk")


def min_cvar(problem: Problem) -> Answer:
    """Minimise the mean of the worst losses within the limits."""
    return _optimised(problem, Invested.of(problem), "CVaR", "MinRisk")


def max_sharpe(problem: Problem) -> Answer:
    """Maximise the Sharpe ratio within the limits."""
    if reason := nothing_gains(problem):
        return Answer("infeasible", reason=reason)
    return _optimised(problem, Invested.of(problem), "MV", "Sharpe")


def max_diversification(problem: Problem) -> Answer:
    """Maximise the weighted mean of standard deviations over that of the portfolio."""
    deviations = np.sqrt(np.diagonal(problem.prior.covariance))
    return _optimised(problem, Invested.of(problem), "MV", "Sharpe", deviations)


def _optimised(
    problem: Problem,
    invested: Invested,
    measure: str,
    aim: str,
    gains: FloatArray | None = None,
) -> Answer:
    portfolio = _portfolio(problem, invested)
    portfolio.mu = pd.DataFrame(
        [invested.excess if gains is None else gains], columns=list(problem.symbols)
    )
    portfolio.ainequality = np.concatenate((np.eye(len(invested.upper)), invested.matrix))
    caps = np.append(invested.upper, invested.right)
    portfolio.binequality = caps[:, None]
    found = heard(
        lambda: portfolio.optimization(model="Classic", rm=measure, obj=aim, rf=0.0, hist=True)
    )
    if found.value is None:
        return Answer("failed", reason=f"riskfolio: {found.printed}")
    return solved(problem, found.status, _column(found.value))


def risk_parity(problem: Problem) -> Answer:
    """Weigh so that all assets contribute equally to the variance; caps by projection."""
    portfolio = _portfolio(problem, Invested.of(problem))
    portfolio.cov = pd.DataFrame(
        problem.prior.covariance, list(problem.symbols), list(problem.symbols)
    )
    found = heard(lambda: portfolio.rp_optimization(model="Classic", rm="MV", rf=0.0, hist=True))
    if found.value is None:
        return Answer("failed", reason=f"riskfolio: {found.printed}")
    return equal_risk(problem, found.status, _column(found.value))


def hrp(problem: Problem) -> Answer:
    """Weigh by hierarchical risk parity; caps by projection."""
    return _hierarchical(problem, "HRP", "MV")


def herc(problem: Problem) -> Answer:
    """Weigh by hierarchical equal risk contribution, as many clusters as the selection has."""
    return _hierarchical(problem, "HERC", "MV")


def herc_cvar(problem: Problem) -> Answer:
    """Weigh by hierarchical equal risk contribution, risk being the mean of the worst losses."""
    if reason := no_tail(problem):
        return replace(herc(problem), solved_as="herc", reason=reason)
    return _hierarchical(problem, "HERC", "CVaR")


def _hierarchical(problem: Problem, model: str, measure: str) -> Answer:
    symbols, count = list(problem.symbols), len(problem.limits.clusters)
    if len(symbols) == 1:
        return projected(problem, np.ones(1))
    portfolio = riskfolio.HCPortfolio(
        returns=pd.DataFrame(problem.scaled_returns, columns=symbols),
        alpha=1.0 - problem.tail_level,
    )
    covariances = pd.DataFrame(problem.prior.covariance, symbols, symbols)
    found = heard(
        lambda: portfolio.optimization(
            model=model,
            codependence="custom_cov",
            rm=measure,
            rf=0.0,
            method_cov="custom_cov",
            custom_cov=covariances,
            linkage=HRP_LINKAGE,
            k=count,
            leaf_order=False,
        )
    )
    return projected(problem, _column(found.value))


def _portfolio(problem: Problem, invested: Invested) -> riskfolio.Portfolio:
    symbols = list(problem.symbols)
    portfolio = riskfolio.Portfolio(
        returns=pd.DataFrame(invested.returns, columns=symbols), alpha=1.0 - problem.tail_level
    )
    portfolio.mu = pd.DataFrame([invested.excess], columns=symbols)
    portfolio.cov = pd.DataFrame(invested.covariance, symbols, symbols)
    portfolio.solvers = ["CLARABEL"]
    portfolio.sol_params = {"CLARABEL": SOLVER_PARAMS}
    return portfolio


def _column(weights: pd.DataFrame) -> FloatArray:
    return np.array(weights["weights"], dtype=np.float64)


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


class RiskfolioEngine:
    """The engine `riskfolio`."""

    name = "riskfolio"
    capabilities = tuple(entry for entry in CAPABILITIES if entry.engine == "riskfolio")

    def solve(self, problem: Problem) -> Answer:
        """Return weights for `problem`, or why there are none."""
        return PROFILES[problem.risk_profile](problem)


ENGINE = RiskfolioEngine()

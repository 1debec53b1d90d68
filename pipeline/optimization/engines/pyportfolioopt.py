"""The engine `pyportfolioopt`: efficient frontiers through cvxpy, hierarchical risk parity, views.

Mean and covariance are those of the problem. Its default solver and scale lose up to five percent
of weight on daily returns; here the problem has mean variance 1 and Clarabel strict tolerances.
Sectors are handed over in ascending order, because a set would follow the hash seed of the process
into the last bits of the weights.

`max_diversification` is its Sharpe ratio with standard deviations in place of the means. Risk
budgeting and equal risk contribution trees do not exist in the library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import cvxpy
import numpy as np
import pandas as pd
from pypfopt import BlackLittermanModel, EfficientCVaR, EfficientFrontier, HRPOpt
from pypfopt.exceptions import OptimizationError

from pipeline.optimization.engines.base import CAPABILITIES, Answer
from pipeline.optimization.hierarchy import HRP_LINKAGE
from pipeline.optimization.invested import (
    Invested,
    heard,
    nothing_gains,
    projected,
    share_frictions,
    solved,
)
from pipeline.optimization.market import reference
from pipeline.optimization.objectives import ridge, with_views
from pipeline.optimization.views import CONTRADICTION, equilibrium, trend_views

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipeline.config import RiskProfile
    from pipeline.optimization.frictions import Frictions
    from pipeline.optimization.problem import Problem
    from pipeline.values import FloatArray

    Frontier = TypeVar("Frontier", EfficientFrontier, EfficientCVaR)

SOLVER_PARAMS: dict[str, float] = {
    "tol_feas": 1e-12,
    "tol_gap_abs": 1e-12,
    "tol_gap_rel": 1e-12,
}
"""Passed to Clarabel."""


def min_variance(problem: Problem) -> Answer:
    """Minimise the variance, with the ridge, within the limits: `min_volatility`."""
    invested = Invested.of(problem)
    frontier = _frontier(problem, invested, invested.excess, invested.covariance)
    if problem.trading is not None:
        told = share_frictions(problem)
        _limit_turnover(frontier, told)
        if told.linear.any():
            frontier.add_objective(_linear_cost, told=told)
    return _solved(problem, frontier, frontier.min_volatility)


def _linear_cost(weights: cvxpy.Expression, told: Frictions) -> cvxpy.Expression:
    """Return the costs in proportion to trades; the library's own has one rate for all symbols."""
    return told.linear @ cvxpy.abs(weights - told.held)


def _limit_turnover(frontier: EfficientFrontier | EfficientCVaR, told: Frictions) -> None:
    if told.room is not None:
        frontier.add_constraint(lambda weights: cvxpy.norm1(weights - told.held) <= told.room)


def max_sharpe(problem: Problem) -> Answer:
    """Maximise the Sharpe ratio within the limits."""
    if reason := nothing_gains(problem):
        return Answer("infeasible", reason=reason)
    invested = Invested.of(problem)
    return _best_ratio(problem, invested, invested.excess, invested.covariance)


def max_diversification(problem: Problem) -> Answer:
    """Maximise the weighted mean of standard deviations over that of the portfolio."""
    invested = Invested.of(problem)
    deviations = np.sqrt(np.diagonal(problem.prior.covariance))
    return _best_ratio(problem, invested, deviations, invested.covariance)


def black_litterman(problem: Problem) -> Answer:
    """Maximise the Sharpe ratio under equilibrium and views: `BlackLittermanModel` (Idzorek)."""
    if with_views(problem) is None:
        return Answer("failed", reason=CONTRADICTION)
    told, scale = problem.black_litterman, problem.prior.mean_variance
    covariances = problem.prior.covariance * scale
    views = trend_views(
        problem.returns,
        problem.limits.clusters,
        told.view_clusters,
        told.of(problem.regime) / problem.periods_per_year,
        told.confidence,
    )
    implied = equilibrium(covariances, reference(problem), told.risk_aversion)
    mean, spread = implied, covariances * (1.0 + told.tau)
    if len(views.returns) and views.confidence:
        model = BlackLittermanModel(
            covariances,
            pi=implied,
            P=views.picks,
            Q=views.returns,
            tau=told.tau,
            omega="idzorek",
            view_confidences=np.full(len(views.returns), views.confidence),
        )
        mean = np.array(model.bl_returns(), dtype=np.float64)
        spread = np.array(model.bl_cov(), dtype=np.float64)
    if float(mean.max()) <= 0.0:
        return Answer("infeasible", reason="no asset is expected to beat the risk-free rate")
    invested = Invested.of(problem)
    matrix = spread / scale + ridge(problem)
    return _best_ratio(problem, invested, mean / np.sqrt(scale), matrix)


def _best_ratio(
    problem: Problem, invested: Invested, gains: FloatArray, covariances: FloatArray
) -> Answer:
    frontier = _frontier(problem, invested, gains, covariances)
    return _solved(problem, frontier, lambda: frontier.max_sharpe(risk_free_rate=0.0))


def min_cvar(problem: Problem) -> Answer:
    """Minimise the mean of the worst losses within the limits: `EfficientCVaR`."""
    invested, symbols = Invested.of(problem), list(problem.symbols)
    frontier = _with_sectors(
        EfficientCVaR(
            pd.Series(invested.excess, symbols),
            pd.DataFrame(invested.returns, columns=symbols),
            beta=problem.tail_level,
            weight_bounds=_bounds(invested),
            solver="CLARABEL",
            solver_options=SOLVER_PARAMS,
        ),
        problem,
        invested,
    )
    if problem.trading is not None:
        _limit_turnover(frontier, share_frictions(problem))
    return _solved(problem, frontier, frontier.min_cvar)


def _frontier(
    problem: Problem, invested: Invested, gains: FloatArray, covariances: FloatArray
) -> EfficientFrontier:
    symbols = list(problem.symbols)
    frontier = EfficientFrontier(
        pd.Series(gains, symbols),
        pd.DataFrame(covariances, symbols, symbols),
        weight_bounds=_bounds(invested),
        solver="CLARABEL",
        solver_options=SOLVER_PARAMS,
    )
    return _with_sectors(frontier, problem, invested)


def _with_sectors(frontier: Frontier, problem: Problem, invested: Invested) -> Frontier:
    names = [str(number) for number in problem.cluster_numbers]
    home = {
        symbol: names[int(np.argmax(column))]
        for symbol, column in zip(problem.symbols, invested.groups.T, strict=True)
    }
    frontier.add_sector_constraints(
        home, dict.fromkeys(names, 0.0), dict.fromkeys(names, invested.group_cap)
    )
    if len(invested.rows):
        frontier.add_constraint(lambda weights: invested.rows @ weights <= invested.rights)
    return frontier


def _bounds(invested: Invested) -> list[tuple[float, float]]:
    return [(0.0, cap) for cap in invested.upper.tolist()]


def _solved(
    problem: Problem, frontier: EfficientFrontier | EfficientCVaR, call: Callable[[], object]
) -> Answer:
    try:
        status = heard(call).status
    except (OptimizationError, cvxpy.SolverError) as error:
        return Answer("failed", reason=f"pyportfolioopt: {' '.join(str(error).split())}")
    return solved(problem, status, np.array(frontier.weights, dtype=np.float64))


def hrp(problem: Problem) -> Answer:
    """Weigh by hierarchical risk parity, with our linkage; caps by projection: `HRPOpt`."""
    symbols = list(problem.symbols)
    if len(symbols) == 1:
        return projected(problem, np.ones(1))
    # With returns given too it would estimate the covariance again and ignore this one.
    model = HRPOpt(cov_matrix=pd.DataFrame(problem.prior.covariance, symbols, symbols))
    found = heard(lambda: model.optimize(linkage_method=HRP_LINKAGE)).value
    return projected(problem, np.array([found[symbol] for symbol in symbols], dtype=np.float64))


PROFILES: Mapping[RiskProfile, Callable[[Problem], Answer]] = {
    "min_variance": min_variance,
    "max_sharpe": max_sharpe,
    "max_diversification": max_diversification,
    "min_cvar": min_cvar,
    "hrp": hrp,
    "black_litterman": black_litterman,
}
"""Risk profile -> the function that solves it."""


class PyportfolioptEngine:
    """The engine `pyportfolioopt`."""

    name = "pyportfolioopt"
    capabilities = tuple(entry for entry in CAPABILITIES if entry.engine == "pyportfolioopt")

    def solve(self, problem: Problem) -> Answer:
        """Return weights for `problem`, or why there are none."""
        return PROFILES[problem.risk_profile](problem)


ENGINE = PyportfolioptEngine()

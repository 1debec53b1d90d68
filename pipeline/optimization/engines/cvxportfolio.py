"""The engine `cvxportfolio`: a single-period policy asked once, without its market simulator.

cvxportfolio is GPL-3.0 and an extra: nothing else of this project imports it. The policy starts
from what is held and may hold no cash afterwards; the covariance is that given.
Its objective is a return less multiples of costs, so ratios and risk parity are not its problems.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import cvxpy
import numpy as np
import pandas as pd

from pipeline.optimization.engines.base import CAPABILITIES, Answer
from pipeline.optimization.invested import Invested, heard, share_frictions, solved

with warnings.catch_warnings():
    # It writes a time unit that pandas is about to drop.
    warnings.simplefilter("ignore")
    import cvxportfolio
    from cvxportfolio.errors import PortfolioOptimizationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipeline.config import RiskProfile
    from pipeline.optimization.frictions import Frictions
    from pipeline.optimization.problem import Problem

SOLVER_PARAMS: dict[str, float] = {
    "tol_feas": 1e-12,
    "tol_gap_abs": 1e-12,
    "tol_gap_rel": 1e-12,
}
"""Passed to Clarabel."""

_WHEN = pd.Timestamp("2000-01-01", tz="UTC")
"""The policy wants a time; nothing in it depends on which."""


def min_variance(problem: Problem) -> Answer:
    """Minimise the variance, with ridge and costs of trading, within the limits."""
    invested, symbols = Invested.of(problem), list(problem.symbols)
    names = list(range(len(invested.matrix)))
    told = share_frictions(problem)
    risk = cvxportfolio.FullCovariance(pd.DataFrame(invested.covariance, symbols, symbols))
    policy = cvxportfolio.SinglePeriodOptimization(
        -risk if problem.trading is None else -risk - _costs(told, symbols),
        [
            cvxportfolio.LongOnly(),
            cvxportfolio.NoCash(),
            cvxportfolio.MaxWeights(pd.Series(invested.upper, symbols)),
            cvxportfolio.FactorMaxLimit(
                pd.DataFrame(invested.matrix.T, symbols, names),
                pd.Series(invested.right, names),
            ),
            *([] if told.room is None else [cvxportfolio.TurnoverLimit(told.room / 2.0)]),
        ],
        include_cash_return=False,
        fallback_solver=None,
        solver="CLARABEL",
        **SOLVER_PARAMS,
    )
    held = pd.Series(0.0, [*symbols, "cash"])
    held[symbols] = told.held
    held["cash"] = 1.0 - float(told.held.sum())
    try:
        found = heard(lambda: policy.execute(held, None, _WHEN)[0])
    except (PortfolioOptimizationError, cvxpy.SolverError) as error:
        return Answer("failed", reason=f"cvxportfolio: {' '.join(str(error).split())}")
    weights = found.value[symbols] + held[symbols]
    return solved(problem, found.status, np.array(weights, dtype=np.float64))


def _costs(told: Frictions, symbols: list[str]) -> cvxportfolio.TransactionCost:
    """Return linear and square-root costs; a volume of one NAV leaves the factors as they are."""
    return cvxportfolio.TransactionCost(
        a=pd.Series(told.linear, symbols),
        b=1.0 if told.root.any() else None,
        volume_hat=pd.Series(1.0, symbols),
        sigma=pd.Series(told.root, symbols),
    )


PROFILES: Mapping[RiskProfile, Callable[[Problem], Answer]] = {"min_variance": min_variance}
"""Risk profile -> the function that solves it."""


class CvxportfolioEngine:
    """The engine `cvxportfolio`."""

    name = "cvxportfolio"
    capabilities = tuple(entry for entry in CAPABILITIES if entry.engine == "cvxportfolio")

    def solve(self, problem: Problem) -> Answer:
        """Return weights for `problem`, or why there are none."""
        return PROFILES[problem.risk_profile](problem)


ENGINE = CvxportfolioEngine()

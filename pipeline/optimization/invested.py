"""What every adapter does alike: the problem as libraries state it, their weights as answers.

Libraries sum weights to 1 and know returns in one scale. Here a smaller total is divided out of the
caps before and multiplied in afterwards, and moments have mean variance 1, because the stopping
rules of solvers lose digits at the scale of daily returns. The covariance is that of the prior with
the ridge on its diagonal, so a library estimates nothing that the record does not name.
"""

from __future__ import annotations

import contextlib
import io
import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from pipeline.optimization.engines.base import Answer
from pipeline.optimization.frictions import Frictions
from pipeline.optimization.nearest import nearest
from pipeline.optimization.objectives import objective, ridged, suboptimality
from pipeline.optimization.risk_profiles import risk_shares
from pipeline.optimization.tail import ROWS_MINIMUM
from pipeline.optimization.trading import variance_frictions

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.optimization.problem import Problem
    from pipeline.optimization.solution import Status
    from pipeline.values import FloatArray

T = TypeVar("T")

RISK_SHARE_LIMIT = 1e-4
"""Risk shares of a library further from equality than this are no risk parity."""


@dataclass(frozen=True, slots=True, eq=False)
class Invested:
    """A problem with weights that sum to 1.

    Attributes
    ----------
    covariance : ndarray of shape (n_symbols, n_symbols)
        Mean variance 1, ridge included.
    excess : ndarray of shape (n_symbols,)
        Mean excess returns in the same scale.
    returns : ndarray of shape (n_rows, n_symbols)
        In the same scale.
    upper : ndarray of shape (n_symbols,)
        Symbol caps as shares of the total, at most 1.
    groups : ndarray of shape (n_clusters, n_symbols)
        1 where a symbol is in a cluster.
    group_cap : float
        Cluster cap as a share of the total.
    rows : ndarray of shape (n_rows, n_symbols)
        Limits beside the caps.
    rights : ndarray of shape (n_rows,)
        Their right sides, as shares of the total.
    """

    covariance: FloatArray
    excess: FloatArray
    returns: FloatArray
    upper: FloatArray
    groups: FloatArray
    group_cap: float
    rows: FloatArray
    rights: FloatArray

    @property
    def matrix(self) -> FloatArray:
        """Return clusters and rows, one below the other."""
        return np.concatenate((self.groups, self.rows))

    @property
    def right(self) -> FloatArray:
        """Return the right sides of `matrix`."""
        return np.append(np.full(len(self.groups), self.group_cap), self.rights)

    @classmethod
    def of(cls, problem: Problem) -> Invested:
        """Return `problem` in this form."""
        limits, scale = problem.limits, math.sqrt(problem.prior.mean_variance)
        groups = np.zeros((len(limits.clusters), len(problem.symbols)))
        for row, members in zip(groups, limits.clusters, strict=True):
            row[list(members)] = 1.0
        return cls(
            ridged(problem),
            (problem.prior.mean - problem.risk_free_rate) / scale,
            problem.scaled_returns,
            np.minimum(limits.upper / limits.total, 1.0),
            groups,
            limits.cluster_cap / limits.total,
            np.array([row.coefficients for row in problem.rows]).reshape(-1, len(groups[0])),
            np.array([row.limit for row in problem.rows]) / limits.total,
        )


def share_frictions(problem: Problem) -> Frictions:
    """Return the costs beside the variance for shares: weights are the total times these."""
    found, total = variance_frictions(problem), problem.limits.total
    room = None if found.room is None else found.room / total
    return Frictions(found.held / total, found.linear / total, found.root / math.sqrt(total), room)


def solved(problem: Problem, status: Status, shares: FloatArray) -> Answer:
    """Return the answer for shares of a convex problem, its objective computed by us."""
    weights = shares * problem.limits.total
    value = objective(problem, weights)
    if value is None:
        reason = "a portfolio without variance beats the risk-free rate: the ratio has no maximum"
        return Answer("unbounded", reason=reason)
    quadratic = problem.risk_profile == "min_variance" and problem.plain
    proof = {"suboptimality": suboptimality(problem, weights)} if quadratic else {}
    return Answer(status, weights, objective=value, residuals=proof)


def projected(problem: Problem, shares: FloatArray) -> Answer:
    """Return the answer for shares that know no caps: the nearest weights within the limits."""
    found = nearest(problem, shares)
    if found.weights is None:
        return Answer("infeasible", reason=found.reason)
    told = {"projection": found.distance}
    return Answer("closed_form", found.weights, residuals=told, duals=found.duals)


def equal_risk(problem: Problem, status: Status, shares: FloatArray) -> Answer:
    """Return the answer for shares meant to contribute equally to the variance, if they do."""
    unequal = _deviation(problem, shares)
    if unequal > RISK_SHARE_LIMIT:
        reason = f"risk shares differ from equality by {unequal:.3g}, limit {RISK_SHARE_LIMIT:g}"
        return Answer("failed", reason=reason)
    whole = shares / math.fsum(shares.tolist())
    near = nearest(problem, whole)
    if near.weights is None:
        return Answer("infeasible", reason=near.reason)
    unequal = _deviation(problem, near.weights)
    found = {"projection": near.distance, "risk_share_deviation": unequal}
    return Answer(status, near.weights, residuals=found, shares=whole, duals=near.duals)


def _deviation(problem: Problem, shares: FloatArray) -> float:
    found = risk_shares(problem.prior.covariance, shares)
    return float(np.abs(found - 1.0 / len(found)).max())


def no_tail(problem: Problem) -> str:
    """Return why the rows have no tail to weigh by, empty if they have one."""
    rows = len(problem.returns)
    if rows >= ROWS_MINIMUM:
        return ""
    return f"{rows} rows have no tail worth measuring, expected {ROWS_MINIMUM}"


def nothing_gains(problem: Problem) -> str:
    """Return why no ratio to the risk can be positive, empty if one can."""
    if float((problem.prior.mean - problem.risk_free_rate).max()) > 0.0:
        return ""
    return (
        f"no asset beats the risk-free rate: the best mean return is "
        f"{float(problem.prior.mean.max()):.6g} per period, the rate {problem.risk_free_rate:.6g}"
    )


@dataclass(frozen=True, slots=True)
class Heard(Generic[T]):
    """What a call returned, and what it said on the way.

    Attributes
    ----------
    value : T
        Returned.
    printed : str
        Written to standard output.
    inaccurate : bool
        Whether a warning called the solution inaccurate.
    """

    value: T
    printed: str
    inaccurate: bool

    @property
    def status(self) -> Status:
        """Return `optimal`, or `optimal_inaccurate` if it was called so."""
        return "optimal_inaccurate" if self.inaccurate else "optimal"


def heard(call: Callable[[], T]) -> Heard[T]:
    """Call a library that tells its troubles by printing and warning; raise what it raises."""
    spoken = io.StringIO()
    with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stdout(spoken):
        warnings.simplefilter("always")
        value = call()
    inaccurate = any("inaccurate" in str(warning.message) for warning in caught)
    return Heard(value, " ".join(spoken.getvalue().split()), inaccurate)

"""The best ratio of a gain net of costs to risk, within all limits.

A ratio whose numerator is a gain less costs cannot be scaled away as one without costs can. But
its best weights also minimise `price * variance / 2 - net gain` for one price of risk: the price at
which net gain over variance comes out as the price itself. That price is the root of a function
which changes its sign once, and each of its values is a quadratic programme.

Source: Dinkelbach (1967), "On nonlinear fractional programming"; the mean-variance frontier.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import brentq

from pipeline.optimization.engines.base import Answer
from pipeline.optimization.frictions import Frictions, solve_traded
from pipeline.optimization.nearest import duals_of
from pipeline.optimization.objectives import NO_VARIANCE, ridged
from pipeline.optimization.quadratic import QuadraticProgram
from pipeline.optimization.side_limits import with_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.optimization.frictions import Traded
    from pipeline.optimization.problem import Problem
    from pipeline.optimization.quadratic import LinearSet
    from pipeline.values import FloatArray

LARGEST_PRICE = 1e12
"""A price of risk from which a portfolio counts as riskless: its ratio has no maximum."""

_SOLVED = frozenset({"optimal", "optimal_inaccurate"})


@dataclass(slots=True)
class _Frontier:
    """The frontier of net gain and variance, one programme for each price of risk."""

    matrix: FloatArray
    gains: FloatArray
    points: LinearSet
    frictions: Frictions
    iterations: int = 0

    def at(self, price: float) -> Traded:
        """Return the weights that are best at a price of risk."""
        program = QuadraticProgram(price * self.matrix, 0.0 - self.gains, self.points)
        ended = solve_traded(program, self.frictions)
        self.iterations += ended.found.iterations
        return ended

    def net_gain(self, weights: FloatArray) -> float:
        """Return the gain less the costs of trading."""
        return math.fsum((self.gains * weights).tolist()) - self.frictions.cost(weights)

    def variance(self, weights: FloatArray) -> float:
        """Return the variance with the ridge."""
        return math.fsum((weights * (self.matrix * weights).sum(axis=1)).tolist())

    def excess(self, price: float) -> float:
        """Return net gain less price times variance: positive below the right price."""
        weights = self.at(price).found.x
        return self.net_gain(weights) - price * self.variance(weights)


def best_net_ratio(
    problem: Problem,
    gains: FloatArray,
    frictions: Frictions,
    measure: Callable[[FloatArray], float | None],
) -> Answer:
    """Maximise `gains'w` less costs over the standard deviation, within all limits of `problem`.

    Parameters
    ----------
    problem : Problem
        Its rows and its limit on turnover hold.
    gains : ndarray of shape (n_symbols,)
        In the units of the costs in `frictions`.
    frictions : Frictions
        Costs and room of trading.
    measure : callable
        The ratio as it is reported, `None` without variance.
    """
    unit = float(gains.max())
    scaled = Frictions(
        frictions.held, frictions.linear / unit, frictions.root / unit, frictions.room
    )
    points = with_rows(problem.limits, problem.rows)
    frontier = _Frontier(ridged(problem), gains / unit, points, scaled)
    richest = frontier.at(0.0)
    if richest.found.status not in _SOLVED:
        told = f"Clarabel ended with {richest.found.solver_status}"
        return Answer(richest.found.status, reason=told, iterations=frontier.iterations)
    if frontier.net_gain(richest.found.x) <= 0.0:
        reason = "no portfolio within the limits gains more than the risk-free rate and its costs"
        return Answer("infeasible", reason=reason, iterations=frontier.iterations)
    price = _price(frontier, richest.found.x)
    if price is None:
        reason = "a portfolio without variance beats the risk-free rate: the ratio has no maximum"
        return Answer("unbounded", reason=reason, iterations=frontier.iterations)
    ended = frontier.at(price)
    ratio = measure(ended.found.x)
    if ended.found.status not in _SOLVED or ratio is None:
        told = f"Clarabel ended with {ended.found.solver_status}"
        return Answer("failed", reason=told, iterations=frontier.iterations)
    return Answer(
        ended.found.status,
        ended.found.x,
        objective=ratio,
        iterations=frontier.iterations,
        residuals=ended.residuals,
        duals=duals_of(problem, ended, scaled, frontier.net_gain(ended.found.x)),
    )


def _price(frontier: _Frontier, richest: FloatArray) -> float | None:
    """Return the price of risk at which the ratio is best, `None` if it is without bound."""
    variance = frontier.variance(richest)
    if variance <= NO_VARIANCE:
        return None
    low = high = frontier.net_gain(richest) / variance
    while low > 1.0 / LARGEST_PRICE and frontier.excess(low) <= 0.0:
        high, low = low, low / 4.0
    while frontier.excess(high) > 0.0:
        low, high = high, high * 4.0
        if high > LARGEST_PRICE:
            return None
    found: float = brentq(frontier.excess, low, high, xtol=1e-300, rtol=4.0 * np.finfo(float).eps)
    return found

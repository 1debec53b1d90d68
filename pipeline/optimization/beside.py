"""The part of a certificate that tells the limits beside the caps and the costs of trading.

For any price of a limit that is not negative, and any slope of the trades, no allowed weights are
better than the bound that follows from them (weak duality): the slopes of the costs bound the costs
from below by a straight line, less what `Frictions.conjugate` says they may exceed them. The prices
that the solver ends with make the bound tight.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.optimization.engines.base import Duals, open_engine
from pipeline.optimization.frictions import Frictions

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.optimization.engines.base import Answer
    from pipeline.optimization.problem import Problem
    from pipeline.values import FloatArray, Payload


@dataclass(frozen=True, slots=True, eq=False)
class Beside:
    """What limits and costs beside the caps add to a bound.

    Attributes
    ----------
    problem : Problem
        With its rows and its book.
    weights : ndarray of shape (n_symbols,)
        Whose distance from the best is bounded.
    duals : Duals
        Prices, in the scale of the certificate.
    frictions : Frictions
        Costs in the same scale.
    """

    problem: Problem
    weights: FloatArray
    duals: Duals
    frictions: Frictions

    @classmethod
    def of(
        cls,
        problem: Problem,
        answer: Answer,
        weights: FloatArray,
        costs: Callable[[Problem], Frictions],
        unit: float = 1.0,
    ) -> Beside | None:
        """Return what is beside the caps of `problem`, `None` if nothing is.

        Prices that the engine does not tell are those of our own solution; any prices bound.
        """
        if problem.plain:
            return None
        duals, held = answer.duals or own(problem).duals, costs(problem)
        if duals is None:
            none = np.zeros(len(problem.symbols))
            duals = Duals(np.zeros(len(problem.rows)), none, 0.0)
        scaled = Frictions(held.held, held.linear / unit, held.root / unit, held.room)
        return cls(problem, weights, duals, scaled)

    def slope(self) -> FloatArray:
        """Return what is added to the slope of the objective."""
        found = self.duals.trades.copy()
        for price, row in zip(self.duals.rows.tolist(), self.problem.rows, strict=True):
            found += price * row.coefficients
        return found

    def value(self) -> float:
        """Return what is added to the value at the weights."""
        duals, frictions = self.duals, self.frictions
        parts = [
            frictions.cost(self.weights),
            frictions.conjugate(duals.trades, duals.turnover),
            duals.turnover * (frictions.room or 0.0),
            *(duals.trades * frictions.held).tolist(),
        ]
        limits = [row.limit for row in self.problem.rows]
        parts += [p * limit for p, limit in zip(duals.rows.tolist(), limits, strict=True)]
        return math.fsum(parts)

    def prices(self) -> Payload:
        """Return the prices of limits and trades, those above zero."""
        told: Payload = {
            "rows": {
                row.label: price
                for row, price in zip(self.problem.rows, self.duals.rows.tolist(), strict=True)
                if price
            }
        }
        if self.problem.trading is not None:
            trades = zip(self.problem.symbols, self.duals.trades.tolist(), strict=True)
            told["trades"] = {symbol: price for symbol, price in trades if price}
            told["turnover"] = self.duals.turnover
        return told

    def limits(self) -> Payload:
        """Return the limits themselves: coefficients and right sides, holdings and room."""
        told: Payload = {
            "rows": {
                row.label: {
                    "limit": row.limit,
                    "coefficients": {
                        symbol: number
                        for symbol, number in zip(
                            self.problem.symbols, row.coefficients.tolist(), strict=True
                        )
                        if number
                    },
                }
                for row in self.problem.rows
            }
        }
        if self.problem.trading is not None:
            held = zip(self.problem.symbols, self.problem.trading.held.tolist(), strict=True)
            told["held"] = {symbol: weight for symbol, weight in held if weight}
            told["room"] = self.frictions.room
        return told

    def parameters(self) -> Payload:
        """Return the prices of trading as the manifest declares them."""
        trading = self.problem.trading
        return {} if trading is None else {"trading": trading.declared}


def own(problem: Problem) -> Answer:
    """Return what our engine makes of a problem: its duals bound the weights of any engine."""
    return open_engine("custom").solve(problem)

"""The book: cash and signed position values, in the currency of the NAV.

Invariants:
    1. NAV is cash plus the sum of the signed position values. Nothing is ever divided by a sum of
       weights, so a short or a dollar-neutral book needs no special case.
    2. A trade changes NAV by its cost and by nothing else.
    3. A mark changes NAV by the sum of value times return and by nothing else.
    4. A book below its wealth floor is sold and stays in cash; its NAV is constant, hence still
       below the floor, in every later window.

Sums run in symbol order or are exactly rounded (`math.fsum`): numpy's and Python's own sums depend
on the length and on the version.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.simulation.costs import Cost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipeline.simulation.costs import CostRates
    from pipeline.values import FloatArray, Holdings

NO_COST = Cost(0.0, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Book:
    """Cash and positions at one close.

    Attributes
    ----------
    cash : float
        May be negative: buying a whole book at target weights leaves minus its cost.
    values : ndarray of shape (n_symbols,)
        Signed value of each position, in symbol order.
    """

    cash: float
    values: FloatArray

    @classmethod
    def of(cls, holdings: Holdings, symbols: Sequence[str]) -> Book:
        """Return `holdings` as a book over `symbols`, which must contain every symbol held."""
        values = [holdings.positions.get(symbol, 0.0) for symbol in symbols]
        return cls(holdings.cash, np.array(values, dtype=np.float64))

    @property
    def nav(self) -> float:
        """Net asset value, summed exactly as `Holdings.nav` does."""
        total = self.cash
        for value in self.values.tolist():
            total += value
        return total

    @property
    def held(self) -> NDArray[np.bool_]:
        """Boolean mask of the symbols held."""
        mask: NDArray[np.bool_] = self.values != 0.0
        return mask

    def marked(self, growth: FloatArray) -> Book:
        """Return the book after each position grew by the factor `growth` (1 + return)."""
        return Book(self.cash, self.values * growth)

    def gain_over(self, before: Book) -> float:
        """Return the change of the position values since `before`, exactly rounded."""
        return math.fsum((self.values - before.values).tolist())

    def traded(self, desired: FloatArray, rates: CostRates) -> Execution:
        """Return the book with position values `desired`; cash pays trades and costs."""
        changes = (desired - self.values).tolist()
        flow = math.fsum(changes)
        traded = math.fsum([abs(change) for change in changes])
        cost = rates.charge(traded)
        book = Book(self.cash - (flow + cost.total), desired)
        return Execution(book, (traded + abs(flow)) / 2.0, cost)

    def liquidated(self, rates: CostRates) -> Execution:
        """Return the book with every position sold (or bought back) at its value."""
        return self.traded(np.zeros_like(self.values), rates)

    def untraded(self) -> Execution:
        """Return the book as it is, at no cost."""
        return Execution(self, 0.0, NO_COST)


@dataclass(frozen=True, slots=True, eq=False)
class Execution:
    """A book after its trades.

    Attributes
    ----------
    book : Book
        Positions as wanted, cash after trades and costs.
    turnover : float
        Half the sum of absolute trades, the cash leg included, in the currency of the NAV.
    cost : Cost
        What the trades cost.
    """

    book: Book
    turnover: float
    cost: Cost


def below_floor(nav: float, floor: float) -> bool:
    """Say whether a book must be liquidated: NAV under the floor, or nothing left at all.

    >>> below_floor(0.0099, 0.01), below_floor(0.01, 0.01), below_floor(0.0, 0.0)
    (True, False, True)
    """
    return nav < floor or nav <= 0.0

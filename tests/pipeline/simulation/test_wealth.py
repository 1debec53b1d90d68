"""Claims of `pipeline.simulation.wealth` and `pipeline.simulation.costs`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import SimulationParams
from pipeline.simulation.costs import CostRates
from pipeline.simulation.wealth import Book, below_floor
from pipeline.values import Holdings

RATES = CostRates(0.0005, 0.0001)
values = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20)


def test_rates_are_basis_points() -> None:
    """Five basis points are 0.0005 of the traded value; the two costs stay apart."""
    rates = CostRates.of(SimulationParams(slippage_bps=10.0, commission_bps=4.0))
    assert (rates.slippage, rates.commission) == pytest.approx((0.001, 0.0004))
    cost = rates.charge(1000.0)
    assert (cost.slippage, cost.commission, cost.total) == pytest.approx((1.0, 0.4, 1.4))


def test_first_purchase_by_hand() -> None:
    """Buying 60 and shorting 40 of 100: cash 80 less 6 bps of 100 traded."""
    book = Book(100.0, np.zeros(2))
    done = book.traded(np.array([60.0, -40.0]), RATES)
    assert done.book.cash == pytest.approx(80.0 - 0.06)
    assert done.book.nav == pytest.approx(99.94)
    assert done.turnover == 60.0
    assert done.cost.total == pytest.approx(0.06)


@pytest.mark.property
@given(st.floats(-1e6, 1e6), values, st.data())
def test_a_trade_changes_nav_by_its_cost_only(
    cash: float, held: list[float], data: st.DataObject
) -> None:
    """Invariant 2."""
    wanted = data.draw(st.lists(st.floats(-1e6, 1e6), min_size=len(held), max_size=len(held)))
    book = Book(cash, np.array(held))
    done = book.traded(np.array(wanted), RATES)
    assert done.book.nav == pytest.approx(book.nav - done.cost.total, abs=1e-6)
    assert done.cost.total >= 0.0
    assert done.turnover >= 0.0


@pytest.mark.property
@given(st.floats(-1e6, 1e6), values, st.floats(-0.99, 3.0))
def test_a_mark_changes_nav_by_value_times_return_only(
    cash: float, held: list[float], change: float
) -> None:
    """Invariant 3."""
    book = Book(cash, np.array(held))
    after = book.marked(np.full(len(held), 1.0 + change))
    assert after.gain_over(book) == pytest.approx(change * sum(held), abs=1e-5)
    assert after.nav == pytest.approx(book.nav + after.gain_over(book), abs=1e-5)


@pytest.mark.property
@given(st.floats(-1e6, 1e6), st.lists(st.floats(-1e6, 1e6), max_size=12))
def test_nav_has_the_bits_of_the_holdings(cash: float, held: list[float]) -> None:
    """Invariant 1: the book and what it hands to the next window are the same sum."""
    symbols = [f"S{i:02d}" for i in range(len(held))]
    holdings = Holdings(cash, dict(zip(symbols, held, strict=True)))
    assert Book.of(holdings, symbols).nav == holdings.nav


def test_liquidated_book_is_all_cash() -> None:
    """Longs are sold and shorts bought back, both at a cost."""
    done = Book(10.0, np.array([50.0, -30.0])).liquidated(RATES)
    assert not done.book.held.any()
    assert done.book.cash == pytest.approx(30.0 - 80.0 * 0.0006)


@pytest.mark.parametrize(
    ("nav", "floor", "expected"),
    [
        (0.02, 0.01, False),
        (0.01, 0.01, False),
        (0.0099, 0.01, True),
        (0.0, 0.0, True),
        (-1.0, 0.0, True),
    ],
)
def test_floor_is_crossed_below_it(nav: float, floor: float, *, expected: bool) -> None:
    """At the floor a book lives; without value it does not, even with a floor of zero."""
    assert below_floor(nav, floor) is expected

"""Our simulator: value accounting over days, vectorised over symbols.

State is cash and signed position values (`wealth.Book`); a day is trade, mark, check the floor.

Holes in the closes:
    1. A position whose symbol has no bar keeps its last value, and the next close compounds over
       the hole. That is a mark, not a return of zero: no return is made up.
    2. A symbol without a bar at a close is not traded there. What was wanted of it stays in cash;
       what is held of it beyond its target is carried, and cash may be negative by that much.
    3. A symbol that leaves the book (held, no target) is sold at the decision date in any case, at
       its last close if it has no bar there: bars that ended for good must not keep a value in the
       book for ever, and whether they did is not known on that day.
    4. Each of these is recorded in `missing_bars`.

A book below the wealth floor at a close is liquidated at that close and stays in cash.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import DataError
from pipeline.simulation.costs import CostRates
from pipeline.simulation.simulators.base import MissingBar, Simulated
from pipeline.simulation.wealth import Book, below_floor
from pipeline.values import Holdings, iso

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pipeline.config import SimulationParams
    from pipeline.simulation.wealth import Execution
    from pipeline.values import FloatArray, Panel

    Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class _Market:
    """What happened to the symbols of the book; row 0 is the decision date.

    `growth[t]` is 1 + the return from row t to row t + 1, exactly 1 where there is no close yet.
    """

    dates: tuple[str, ...]
    symbols: tuple[str, ...]
    present: Mask
    growth: FloatArray


@dataclass(slots=True)
class _Path:
    """What the days of the window add up to, and what happened to the book on the way."""

    nav_start: float
    liquidated_at: str | None
    leavers: tuple[str, ...] = ()
    gross: list[float] = field(default_factory=list)
    net: list[float] = field(default_factory=list)
    nav: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)
    slippage: list[float] = field(default_factory=list)
    commission: list[float] = field(default_factory=list)
    turnover: list[float] = field(default_factory=list)
    missing: list[MissingBar] = field(default_factory=list)

    def add(self, start: float, gain: float, executions: Sequence[Execution], end: float) -> None:
        """Add a day that began with NAV `start`, gained `gain`, and charges `executions`."""
        charged = [e for e in executions if e.turnover > 0.0]
        slippage = math.fsum(e.cost.slippage for e in charged) / start if charged else 0.0
        commission = math.fsum(e.cost.commission for e in charged) / start if charged else 0.0
        gross = gain / start if gain else 0.0
        cost = slippage + commission
        self.gross.append(gross)
        self.costs.append(cost)
        self.net.append(gross - cost)
        self.nav.append(end)
        self.slippage.append(slippage)
        self.commission.append(commission)
        self.turnover.append(math.fsum(e.turnover for e in charged) / start if charged else 0.0)


def simulate(
    panel: Panel,
    holdings: Holdings,
    targets: Mapping[str, float],
    params: SimulationParams,
    *,
    initial_nav: float,
    liquidated_at: str | None = None,
    as_of: object = None,
) -> Simulated:
    """Trade `holdings` to `targets` at the decision date and follow the book to the last row.

    Parameters
    ----------
    panel : Panel
        Closes from the decision date to the last test day; further columns are ignored. Rows
        before `as_of` only give last closes of symbols that have no bar on the decision date.
    holdings : Holdings
        What is carried in, marked at the closes of the decision date.
    targets : mapping of str to float
        Signed weights as fractions of NAV; what is left to 1 stays in cash, at no interest.
    params : SimulationParams
        Costs, `rebalance` mode, `wealth_floor`.
    initial_nav : float
        NAV at the start of the walk-forward, for the wealth floor.
    liquidated_at : str or None
        What the previous window returned; a book once liquidated stays in cash.
    as_of : date-like, optional
        Decision date; the first row by default.

    Returns
    -------
    Simulated
        The window, under the conventions of `simulators.base`.

    Raises
    ------
    DataError
        If a column is missing, a close is not positive, a position cannot be valued, there is no
        test day, or the carried book has positions without a positive NAV.
    """
    symbols = _symbols_of(holdings, targets)
    market = _market_of(panel, symbols, holdings, as_of)
    wanted = _wanted(symbols, targets)
    book, floor = Book.of(holdings, symbols), params.wealth_floor * initial_nav
    rates, path = CostRates.of(params), _Path(book.nav, liquidated_at)
    _check_solvent(book)
    if liquidated_at is None and below_floor(book.nav, floor):
        path.liquidated_at = market.dates[0]
    if path.liquidated_at is None:
        path.leavers = _leavers(book, wanted, symbols)
        _note_missing(path, market, 0, book, wanted)
    for day in range(len(market.growth)):
        start = book.nav
        if path.liquidated_at is not None:
            opened = book.liquidated(rates)
        elif day == 0 or params.rebalance == "daily":
            opened = book.traded(_desired(book, wanted, start, market.present[day]), rates)
        else:
            opened = book.untraded()
        if path.liquidated_at is None:
            _note_missing(path, market, day + 1, opened.book, wanted)
        closed = opened.book.marked(market.growth[day])
        executions, gain, book = [opened], closed.gain_over(opened.book), closed
        if path.liquidated_at is None and below_floor(closed.nav, floor):
            path.liquidated_at = market.dates[day + 1]
            executions.append(closed.liquidated(rates))
            book = executions[-1].book
        path.add(start, gain, executions, book.nav)
    return _simulated(path, market, book)


def _simulated(path: _Path, market: _Market, book: Book) -> Simulated:
    positions = zip(market.symbols, book.values.tolist(), strict=True)
    return Simulated(
        dates=market.dates[1:],
        gross_returns=tuple(path.gross),
        net_returns=tuple(path.net),
        nav=tuple(path.nav),
        nav_start=path.nav_start,
        nav_end=path.nav[-1],
        turnover_one_way=math.fsum(path.turnover),
        slippage_cost=math.fsum(path.slippage),
        commission_cost=math.fsum(path.commission),
        costs=tuple(path.costs),
        holdings_end=Holdings(book.cash, {s: value for s, value in positions if value != 0.0}),
        liquidated_at=path.liquidated_at,
        leavers=path.leavers,
        missing_bars=tuple(path.missing),
    )


def _desired(book: Book, wanted: FloatArray, nav: float, present: Mask) -> FloatArray:
    """Return the position values to trade to; without a bar only a leaver is traded."""
    return np.where(present | (wanted == 0.0), wanted * nav, book.values)


def _symbols_of(holdings: Holdings, targets: Mapping[str, float]) -> tuple[str, ...]:
    """Return the symbols with a position or a target, ascending."""
    held = {symbol for symbol, value in holdings.positions.items() if value != 0.0}
    return tuple(sorted(held | {symbol for symbol, weight in targets.items() if weight != 0.0}))


def _wanted(symbols: tuple[str, ...], targets: Mapping[str, float]) -> FloatArray:
    wanted = np.array([float(targets.get(symbol, 0.0)) for symbol in symbols])
    for i in np.flatnonzero(~np.isfinite(wanted)).tolist():
        raise DataError(
            f"the target weight of {symbols[i]} is {float(wanted[i])!r}, expected a finite number",
            where=symbols[i],
            why="a weight is a fraction of NAV",
            fix="do not pass the result of a failed solve as targets",
        )
    return wanted


def _leavers(book: Book, wanted: FloatArray, symbols: tuple[str, ...]) -> tuple[str, ...]:
    gone = book.held & (wanted == 0.0)
    return tuple(symbol for symbol, leaves in zip(symbols, gone.tolist(), strict=True) if leaves)


def _note_missing(path: _Path, market: _Market, row: int, book: Book, wanted: FloatArray) -> None:
    concerned = ~market.present[row] & (book.held | (wanted != 0.0))
    for i in np.flatnonzero(concerned).tolist():
        path.missing.append(MissingBar(market.dates[row], market.symbols[i]))


def _market_of(
    panel: Panel, symbols: tuple[str, ...], holdings: Holdings, as_of: object
) -> _Market:
    """Return the rows from the decision date on, with growth over holes put on the next close."""
    row = 0 if as_of is None else _row_of(panel, as_of)
    if row + 1 >= len(panel.dates):
        raise DataError(
            f"no row after the decision date, the panel has {len(panel.dates)} rows",
            where=f"decision date {iso(panel.dates[row])}",
            why="a simulation needs at least one test day",
            fix="pass the rows up to the last test day",
        )
    closes = _columns(panel, symbols)
    present = ~np.isnan(closes)
    _check_positive(panel, symbols, closes)
    marks = _last_closes(closes, present)
    _check_valued(symbols, holdings, marks[row], marks[-1])
    known = ~np.isnan(marks[row:-1])
    growth = np.ones_like(marks[row:-1])
    np.divide(marks[row + 1 :], marks[row:-1], out=growth, where=known)
    dates = tuple(np.datetime_as_string(panel.dates[row:], unit="D").tolist())
    return _Market(dates, symbols, present[row:], growth)


def _row_of(panel: Panel, as_of: object) -> int:
    day = np.datetime64(iso(as_of), "D")
    row = int(np.searchsorted(panel.dates, day))
    if row == len(panel.dates) or panel.dates[row] != day:
        raise DataError(
            f"the decision date {day} is not a row of the panel",
            where=f"rows {iso(panel.dates[0])} to {iso(panel.dates[-1])}",
            why="trades happen at the closes of the decision date",
            fix="pass the rows from the decision date (or before) to the last test day",
        )
    return row


def _columns(panel: Panel, symbols: tuple[str, ...]) -> FloatArray:
    """Return the closes of `symbols`, shape (n_rows, n_symbols), C-contiguous."""
    index = [bisect_left(panel.symbols, symbol) for symbol in symbols]
    absent = [
        symbol
        for symbol, i in zip(symbols, index, strict=True)
        if i == len(panel.symbols) or panel.symbols[i] != symbol
    ]
    if absent:
        raise DataError(
            f"no column for {', '.join(absent)}; the panel has {len(panel.symbols)} symbols",
            where=f"rows {iso(panel.dates[0])} to {iso(panel.dates[-1])}",
            why="what is held or wanted must be valued; a lost column would be lost wealth",
            fix="pass a panel with every symbol of the holdings and the targets",
        )
    return np.ascontiguousarray(panel.closes[:, index])


def _last_closes(closes: FloatArray, present: Mask) -> FloatArray:
    """Return the last close known at each row; NaN before the first."""
    if present.all():
        return closes
    marks = closes.copy()
    for row in range(1, len(marks)):
        np.copyto(marks[row], marks[row - 1], where=~present[row])
    return marks


def _check_positive(panel: Panel, symbols: tuple[str, ...], closes: FloatArray) -> None:
    bad = np.argwhere((closes <= 0.0) | np.isinf(closes))
    if len(bad):
        row, column = bad[0].tolist()
        raise DataError(
            f"the close is {float(closes[row, column])!r}, expected a positive finite number",
            where=f"{symbols[column]} on {iso(panel.dates[row])}",
            why="a return from or to such a close does not exist; a missing bar is NaN, never 0",
            fix="repair the price in the source, or mark the bar as missing",
        )


def _check_valued(
    symbols: tuple[str, ...], holdings: Holdings, base: FloatArray, last: FloatArray
) -> None:
    for i in np.flatnonzero(np.isnan(base) & ~np.isnan(last)).tolist():
        if holdings.positions.get(symbols[i], 0.0) != 0.0:
            raise DataError(
                f"{symbols[i]} is held and has closes in the window, but none on or before "
                "the decision date",
                where=symbols[i],
                why="the return over the hole runs from the last close the position was marked at",
                fix="pass earlier rows too, with `as_of` naming the decision date",
            )


def _check_solvent(book: Book) -> None:
    nav = book.nav
    if nav <= 0.0 and book.held.any():
        raise DataError(
            f"a book with positions has a NAV of {nav!r}, expected a positive NAV",
            where="holdings carried into the window",
            why="returns and costs are fractions of NAV; a book without value is liquidated",
            fix="carry the `holdings_end` of the previous window",
        )

"""What a book earned and risked, measured once on its stitched returns.

Windows are joined first and measured once: the average of annualised ten-day returns is not the
return of anything. Nothing is clipped; a measure that does not exist for the series is `None`.

Definitions, for simple returns r_1..r_n per period and f periods a year:

===============  ===================================================================================
total_return     (1 + r_1) ... (1 + r_n) - 1, multiplied in time order
annual_return    (1 + total_return) ** (f / n) - 1; `None` when n < f (a shorter series is not
                 annualised) and when total_return < -1 (no growth rate leads below zero)
volatility       sample standard deviation (divisor n - 1) times sqrt(f); `None` for one return
sharpe           mean / sample standard deviation * sqrt(f), risk-free rate 0; `None` without
                 deviation
sortino          mean / sqrt(mean of min(r, 0) ** 2) * sqrt(f), divisor n; `None` without a loss
max_drawdown     largest (peak - NAV) / peak, with NAV = 1 before the first return, so a loss on
                 the first day counts; positive, 0.2 is a fall of 20 %
calmar           annual_return / max_drawdown; `None` where either is `None` or there is no fall
var_95           minus the ceil(n / 20)-th smallest return: a loss is positive, a gain negative
cvar_95          mean loss of the worst 5 % of the probability mass, the return at its edge counted
                 in part (Rockafellar and Uryasev, 2000); a loss is positive
===============  ===================================================================================

Sums are exactly rounded (`math.fsum`), products run in time order.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, cast

from pipeline.errors import PipelineError
from pipeline.simulation.simulators.base import Simulated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.values import Json, Payload

ZERO_DEVIATION = 1e-14
"""Standard deviations of returns up to this are rounding: values near 1 carry errors of 1e-16."""
CONTINUITY = 1e-12
"""Relative difference allowed between the end of one window and the start of the next."""
TAIL = 20
"""One in so many periods is in the tail of VaR and CVaR (5 %)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """The measures of one series of returns; the module docstring defines them."""

    total_return: float
    annual_return: float | None
    volatility: float | None
    sharpe: float | None
    sortino: float | None
    calmar: float | None
    max_drawdown: float
    var_95: float
    cvar_95: float

    def to_payload(self) -> Payload:
        """Return the measures as a JSON object."""
        return asdict(self)

    @classmethod
    def from_payload(cls, payload: Payload) -> Measures:
        """Return the measures that `to_payload` wrote."""
        found = cast("dict[str, float | None]", payload)
        numbers = {key: None if value is None else float(value) for key, value in found.items()}
        return cls(**numbers)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stitched:
    """The windows of one book as one series.

    Attributes
    ----------
    dates : tuple of str
        Strictly increasing, `YYYY-MM-DD`.
    gross_returns, net_returns, nav, costs : tuple of float
        One per day.
    nav_start : float
        NAV before the first window.
    turnovers : tuple of float
        One-way turnover, one per window.
    liquidated_at : str or None
        Day on which the book fell below the wealth floor.
    """

    dates: tuple[str, ...]
    gross_returns: tuple[float, ...]
    net_returns: tuple[float, ...]
    nav: tuple[float, ...]
    costs: tuple[float, ...]
    nav_start: float
    turnovers: tuple[float, ...]
    liquidated_at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """What is measured on a stitched series, before and after costs.

    Attributes
    ----------
    first_date, last_date : str
        First and last day with a return.
    days : int
        Number of returns.
    periods_per_year : int
        From the calendar, never guessed from the dates.
    gross, net : Measures
        Before and after costs.
    turnover_one_way_total, costs_total : float
        Sums over the series, in fractions of the NAV of their day.
    liquidated_at : str or None
        Day on which the book fell below the wealth floor.
    """

    first_date: str
    last_date: str
    days: int
    periods_per_year: int
    gross: Measures
    net: Measures
    turnover_one_way_total: float
    costs_total: float
    liquidated_at: str | None

    def to_payload(self) -> Payload:
        """Return the result of `measure@1`."""
        return {
            "series": "stitched",
            "first_date": self.first_date,
            "last_date": self.last_date,
            "days": self.days,
            "periods_per_year": self.periods_per_year,
            "gross": self.gross.to_payload(),
            "net": self.net.to_payload(),
            "turnover_one_way_total": self.turnover_one_way_total,
            "costs_total": self.costs_total,
            "liquidated_at": self.liquidated_at,
        }

    @classmethod
    def from_payload(cls, payload: Payload) -> Metrics:
        """Return the metrics that `to_payload` wrote."""
        return cls(
            first_date=cast("str", payload["first_date"]),
            last_date=cast("str", payload["last_date"]),
            days=cast("int", payload["days"]),
            periods_per_year=cast("int", payload["periods_per_year"]),
            gross=Measures.from_payload(cast("Payload", payload["gross"])),
            net=Measures.from_payload(cast("Payload", payload["net"])),
            turnover_one_way_total=_float(payload["turnover_one_way_total"]),
            costs_total=_float(payload["costs_total"]),
            liquidated_at=cast("str | None", payload["liquidated_at"]),
        )


def stitch(simulations: Sequence[Payload]) -> Stitched:
    """Join the windows of one book, in order.

    Parameters
    ----------
    simulations : sequence of payloads
        Results of `simulate@1` of one sleeve and cell, by window.

    Raises
    ------
    PipelineError
        If there is no window, the dates do not increase strictly from one window to the next, or
        NAV at the end of one differs from NAV at the start of the next.
    """
    parts = [Simulated.from_payload(payload) for payload in simulations]
    if not parts:
        raise _disjoint("no simulated window, expected at least one", "the series")
    for before, after in pairwise(parts):
        _check_joined(before, after)
    return Stitched(
        dates=tuple(day for part in parts for day in part.dates),
        gross_returns=tuple(r for part in parts for r in part.gross_returns),
        net_returns=tuple(r for part in parts for r in part.net_returns),
        nav=tuple(value for part in parts for value in part.nav),
        costs=tuple(cost for part in parts for cost in part.costs),
        nav_start=parts[0].nav_start,
        turnovers=tuple(part.turnover_one_way for part in parts),
        liquidated_at=parts[-1].liquidated_at,
    )


def measure(series: Stitched, periods_per_year: int) -> Metrics:
    """Measure a stitched series, before and after costs.

    Parameters
    ----------
    series : Stitched
        At least one day.
    periods_per_year : int
        Returns a year has on the calendar of the series (252, 365).
    """
    return Metrics(
        first_date=series.dates[0],
        last_date=series.dates[-1],
        days=len(series.dates),
        periods_per_year=periods_per_year,
        gross=measures_of(series.gross_returns, periods_per_year),
        net=measures_of(series.net_returns, periods_per_year),
        turnover_one_way_total=math.fsum(series.turnovers),
        costs_total=math.fsum(series.costs),
        liquidated_at=series.liquidated_at,
    )


def measures_of(returns: Sequence[float], periods_per_year: int) -> Measures:
    """Return every measure of a series of simple returns; the module docstring defines them.

    Raises
    ------
    ValueError
        If there is no return.
    """
    if not returns:
        msg = "expected at least one return, found none"
        raise ValueError(msg)
    total = _total_return(returns)
    annual = _annual_return(total, len(returns), periods_per_year)
    drawdown = max_drawdown(returns)
    mean, scale = math.fsum(returns) / len(returns), math.sqrt(periods_per_year)
    deviation, downside = _deviation(returns, mean), _downside(returns)
    return Measures(
        total_return=total,
        annual_return=annual,
        volatility=None if deviation is None else deviation * scale,
        sharpe=mean / deviation * scale if deviation else None,
        sortino=mean / downside * scale if downside > 0.0 else None,
        calmar=annual / drawdown if annual is not None and drawdown > 0.0 else None,
        max_drawdown=drawdown,
        var_95=value_at_risk(returns),
        cvar_95=conditional_value_at_risk(returns),
    )


def max_drawdown(returns: Sequence[float]) -> float:
    """Return the largest fall from a peak as a positive fraction; the first peak is NAV = 1.

    >>> max_drawdown([-0.5, 1.0])
    0.5
    """
    nav = peak = 1.0
    largest = 0.0
    for change in returns:
        nav *= 1.0 + change
        peak = max(peak, nav)
        largest = max(largest, (peak - nav) / peak)
    return largest


def value_at_risk(returns: Sequence[float]) -> float:
    """Return minus the ceil(n / 20)-th smallest return (historical, 95 %); a loss is positive."""
    rank = -(-len(returns) // TAIL)
    return 0.0 - sorted(returns)[rank - 1]


def conditional_value_at_risk(returns: Sequence[float]) -> float:
    """Return the mean loss of the worst 5 % of the probability mass.

    With n returns the mass is n / 20 of them; where that is no whole number, the last one counts
    with its fraction. Fewer than 20 returns: the worst one.
    """
    worst = sorted(returns)
    whole, rest = divmod(len(worst), TAIL)
    partial = rest / TAIL * worst[whole] if rest else 0.0
    return 0.0 - (math.fsum(worst[:whole]) + partial) / (len(worst) / TAIL)


def _total_return(returns: Sequence[float]) -> float:
    growth = 1.0
    for change in returns:
        growth *= 1.0 + change
    return growth - 1.0


def _annual_return(total: float, days: int, periods_per_year: int) -> float | None:
    if days < periods_per_year or total < -1.0:
        return None
    return float((1.0 + total) ** (periods_per_year / days)) - 1.0


def _deviation(returns: Sequence[float], mean: float) -> float | None:
    """Return the sample standard deviation, exactly 0 where it is rounding only."""
    if len(returns) == 1:
        return None
    squares = math.fsum((change - mean) * (change - mean) for change in returns)
    deviation = math.sqrt(squares / (len(returns) - 1))
    return deviation if deviation > ZERO_DEVIATION else 0.0


def _downside(returns: Sequence[float]) -> float:
    losses = [change * change for change in returns if change < 0.0]
    return math.sqrt(math.fsum(losses) / len(returns))


def _check_joined(before: Simulated, after: Simulated) -> None:
    where = f"between {before.dates[-1]} and {after.dates[0]}"
    if after.dates[0] <= before.dates[-1]:
        raise _disjoint("the windows overlap, expected strictly increasing dates", where)
    gap = abs(after.nav_start - before.nav_end)
    if gap > CONTINUITY * abs(before.nav_end):
        what = f"NAV ends at {before.nav_end!r} and starts again at {after.nav_start!r}"
        raise _disjoint(what, where)


def _disjoint(what: str, where: str) -> PipelineError:
    return PipelineError(
        what,
        where=where,
        why="a book is one series; wealth may neither appear nor vanish between windows",
        fix="pass every window of one sleeve and cell in order, each simulated from the "
        "`holdings_end` of the one before",
    )


def _float(value: Json) -> float:
    return float(cast("float", value))

"""What every simulator returns, and how it is called.

Conventions of a simulated window, for every simulator:
    1. The decision date's closes are the base: trades happen there, and the first test return runs
       from there to the first test day.
    2. A trade at a close is charged to the day that begins at that close, hence the trade at the
       decision date to the first test day. A liquidation is charged to the day that ends at its
       close, so that NAV at the end of a window is what the next one starts with.
    3. Costs and turnover are fractions of the NAV at the start of the day they are charged to.
    4. `net_returns[t] == gross_returns[t] - costs[t]`, bit for bit; nothing is clipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from pipeline.values import Holdings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.config import SimulationParams
    from pipeline.values import Json, Panel, Payload


@dataclass(frozen=True, slots=True, order=True)
class MissingBar:
    """A day on which a symbol that was held or wanted had no bar."""

    date: str
    symbol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """One window of a book.

    Attributes
    ----------
    dates : tuple of str
        Test days, `YYYY-MM-DD`.
    gross_returns, net_returns : tuple of float
        Return of each day before and after costs.
    nav : tuple of float
        NAV at the end of each day.
    nav_start, nav_end : float
        NAV at the decision date's close before trading, and at the last close.
    turnover_one_way : float
        Sum over the trades of the window.
    slippage_cost, commission_cost : float
        Sums over the window of the daily fractions; together the sum of `costs`.
    costs : tuple of float
        Cost of each day as a fraction of the NAV at its start.
    holdings_end : Holdings
        What the next window starts with; its NAV is `nav_end`.
    liquidated_at : str or None
        Day on which the book fell below the wealth floor, in this window or before.
    leavers : tuple of str
        Symbols held at the start without a target: sold at the decision date.
    missing_bars : tuple of MissingBar
        In date order. One on the decision date is a symbol that could not be traded there.
    """

    dates: tuple[str, ...]
    gross_returns: tuple[float, ...]
    net_returns: tuple[float, ...]
    nav: tuple[float, ...]
    nav_start: float
    nav_end: float
    turnover_one_way: float
    slippage_cost: float
    commission_cost: float
    costs: tuple[float, ...]
    holdings_end: Holdings
    liquidated_at: str | None
    leavers: tuple[str, ...]
    missing_bars: tuple[MissingBar, ...]

    def to_payload(self) -> Payload:
        """Return the result of `simulate@1`."""
        missing: list[Json] = [{"symbol": m.symbol, "date": m.date} for m in self.missing_bars]
        return {
            "first_date": self.dates[0],
            "last_date": self.dates[-1],
            "dates": list(self.dates),
            "gross_returns": list(self.gross_returns),
            "net_returns": list(self.net_returns),
            "nav": list(self.nav),
            "nav_start": self.nav_start,
            "nav_end": self.nav_end,
            "turnover_one_way": self.turnover_one_way,
            "slippage_cost": self.slippage_cost,
            "commission_cost": self.commission_cost,
            "costs": list(self.costs),
            "holdings_end": self.holdings_end.to_payload(),
            "liquidated_at": self.liquidated_at,
            "leavers": list(self.leavers),
            "missing_bars": missing,
        }

    @classmethod
    def from_payload(cls, payload: Payload) -> Simulated:
        """Return the window that `to_payload` wrote."""
        missing = cast("list[dict[str, str]]", payload["missing_bars"])
        return cls(
            dates=tuple(cast("list[str]", payload["dates"])),
            gross_returns=_floats(payload["gross_returns"]),
            net_returns=_floats(payload["net_returns"]),
            nav=_floats(payload["nav"]),
            nav_start=_float(payload["nav_start"]),
            nav_end=_float(payload["nav_end"]),
            turnover_one_way=_float(payload["turnover_one_way"]),
            slippage_cost=_float(payload["slippage_cost"]),
            commission_cost=_float(payload["commission_cost"]),
            costs=_floats(payload["costs"]),
            holdings_end=Holdings.from_payload(cast("Payload", payload["holdings_end"])),
            liquidated_at=cast("str | None", payload["liquidated_at"]),
            leavers=tuple(cast("list[str]", payload["leavers"])),
            missing_bars=tuple(MissingBar(m["date"], m["symbol"]) for m in missing),
        )


class Simulator(Protocol):
    """A function that simulates one window."""

    def __call__(
        self,
        panel: Panel,
        holdings: Holdings,
        targets: Mapping[str, float],
        params: SimulationParams,
        *,
        initial_nav: float,
        liquidated_at: str | None = None,
        as_of: object = None,
    ) -> Simulated:
        """Trade `holdings` to `targets` at the decision date and follow the book.

        `panel` holds the closes from the decision date to the last test day, with a column for
        every symbol held or wanted; it may begin before the decision date (`as_of`), and these
        rows only give last closes. `targets` are signed fractions of NAV, `initial_nav` is the
        NAV at the start of the whole walk-forward, `liquidated_at` what the window before gave.
        """
        ...


def _float(value: Json) -> float:
    return float(cast("float", value))


def _floats(values: Json) -> tuple[float, ...]:
    return tuple(map(float, cast("list[float]", values)))

"""From what is held to what is wanted: drift, trades, and how urgent they are.

The carried weights are marked to the market, signed, and fractions of NAV, so a short position and
a leveraged book need no special case. Every difference to the targets is traded, because the
simulator trades exactly to target: a band that skipped small trades here only would make the two
records disagree.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from pipeline.errors import DataError
from pipeline.values import iso

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.config import SimulationParams
    from pipeline.values import Holdings, Payload

Side: TypeAlias = Literal["buy", "sell"]
Urgency: TypeAlias = Literal["maintain", "rebalance", "urgent"]

TURNOVER_REBALANCE = 0.10
"""One-way turnover above which the book should be rebalanced."""
TURNOVER_URGENT = 0.20
"""One-way turnover above which rebalancing is urgent."""
DRIFT_URGENT = 0.075
"""Weight change of one symbol above which rebalancing is urgent."""
ROUNDING = 1e-12
"""Weight changes up to this are rounding, not trades."""


@dataclass(frozen=True, slots=True)
class Trade:
    """One change of position.

    Attributes
    ----------
    symbol : str
        What is traded.
    side : {"buy", "sell"}
        `sell` lowers the signed position, also when that opens or extends a short.
    weight : float
        Signed change as a fraction of NAV.
    value : float
        Signed change in the currency of the NAV.
    """

    symbol: str
    side: Side
    weight: float
    value: float


@dataclass(frozen=True, slots=True)
class RebalanceDecision:
    """What a rebalance would trade.

    Attributes
    ----------
    as_of : str or None
        Decision date, `YYYY-MM-DD`.
    nav : float
        NAV carried into the decision.
    cash_weight : float
        Cash carried into the decision, as a fraction of NAV; 1 for a book without positions.
    holdings : mapping of str to float
        Signed weights carried into the decision, marked at its closes.
    targets : mapping of str to float
        Signed weights wanted; empty for a book below the wealth floor, whatever was asked for.
    trades : tuple of Trade
        Ascending by symbol.
    turnover_one_way : float
        Half the sum of absolute weight changes, the cash leg included, costs left out.
    largest_drift : float
        Largest absolute weight change of one symbol.
    urgency : {"maintain", "rebalance", "urgent"}
        `urgent` above 20 % turnover or 7.5 % drift, `rebalance` above 10 % turnover.
    """

    as_of: str | None
    nav: float
    cash_weight: float
    holdings: Mapping[str, float]
    targets: Mapping[str, float]
    trades: tuple[Trade, ...]
    turnover_one_way: float
    largest_drift: float
    urgency: Urgency

    def to_payload(self) -> Payload:
        """Return the result of `rebalance@1`."""
        return {
            "as_of": self.as_of,
            "nav": self.nav,
            "cash_weight": self.cash_weight,
            "holdings": dict(self.holdings),
            "targets": dict(self.targets),
            "trades": [asdict(trade) for trade in self.trades],
            "turnover_one_way": self.turnover_one_way,
            "largest_drift": self.largest_drift,
            "urgency": self.urgency,
        }

    @classmethod
    def from_payload(cls, payload: Payload) -> RebalanceDecision:
        """Return the decision that `to_payload` wrote."""
        trades = cast("list[dict[str, str]]", payload["trades"])
        return cls(
            as_of=cast("str | None", payload["as_of"]),
            nav=_float(payload["nav"]),
            cash_weight=_float(payload["cash_weight"]),
            holdings=_weights(cast("Mapping[str, float]", payload["holdings"])),
            targets=_weights(cast("Mapping[str, float]", payload["targets"])),
            trades=tuple(
                Trade(t["symbol"], cast("Side", t["side"]), float(t["weight"]), float(t["value"]))
                for t in trades
            ),
            turnover_one_way=_float(payload["turnover_one_way"]),
            largest_drift=_float(payload["largest_drift"]),
            urgency=cast("Urgency", payload["urgency"]),
        )


def rebalance(
    holdings: Holdings,
    targets: Mapping[str, float],
    as_of: object,
    params: SimulationParams,
) -> RebalanceDecision:
    """Return the trades that bring `holdings` to `targets`.

    What is held and not wanted is sold. A book below the wealth floor
    (`wealth_floor * initial_nav`) is sold and stays in cash, so its targets become empty.

    Parameters
    ----------
    holdings : Holdings
        What is held, marked at the closes of the decision date.
    targets : mapping of str to float
        Signed weights as fractions of NAV; what is left to 1 stays in cash.
    as_of : date-like or None
        Decision date.
    params : SimulationParams
        `initial_nav` and `wealth_floor` are used.

    Raises
    ------
    DataError
        If a target is not finite, or a book with positions has no positive NAV.
    """
    nav = holdings.nav
    below_floor = nav < params.wealth_floor * params.initial_nav or nav <= 0.0
    wanted = {} if below_floor else _weights(targets)
    held = _carried_weights(holdings, nav)
    changes = {s: wanted.get(s, 0.0) - held.get(s, 0.0) for s in sorted({*held, *wanted})}
    trades = tuple(
        Trade(s, "buy" if change > 0.0 else "sell", change, change * nav)
        for s, change in changes.items()
        if abs(change) > ROUNDING
    )
    turnover = one_way_turnover([trade.weight for trade in trades])
    largest = max((abs(trade.weight) for trade in trades), default=0.0)
    return RebalanceDecision(
        as_of=None if as_of is None else iso(as_of),
        nav=nav,
        cash_weight=holdings.cash / nav if held else 1.0,
        holdings=held,
        targets=wanted,
        trades=trades,
        turnover_one_way=turnover,
        largest_drift=largest,
        urgency=urgency_of(turnover, largest),
    )


def one_way_turnover(changes: list[float]) -> float:
    """Return half the sum of absolute changes, the cash leg included.

    The cash leg is minus the sum of the other legs, so buying a whole book from cash and moving a
    whole book from one symbol to another are both 1.

    >>> one_way_turnover([0.6, 0.4])
    1.0
    >>> one_way_turnover([-1.0, 1.0])
    1.0
    """
    legs = math.fsum(abs(change) for change in changes)
    return (legs + abs(math.fsum(changes))) / 2.0


def urgency_of(turnover_one_way: float, largest_drift: float) -> Urgency:
    """Return how urgent a rebalance is; a value equal to a limit does not exceed it.

    >>> urgency_of(0.05, 0.05), urgency_of(0.15, 0.05), urgency_of(0.05, 0.08)
    ('maintain', 'rebalance', 'urgent')
    """
    if turnover_one_way > TURNOVER_URGENT or largest_drift > DRIFT_URGENT:
        return "urgent"
    return "rebalance" if turnover_one_way > TURNOVER_REBALANCE else "maintain"


def _carried_weights(holdings: Holdings, nav: float) -> dict[str, float]:
    """Return the weights of the positions held, without the empty ones."""
    held = {s: v for s, v in sorted(holdings.positions.items()) if v != 0.0}
    if held and nav <= 0.0:
        raise DataError(
            f"a book with positions has a NAV of {nav!r}, expected a positive NAV",
            where=f"holdings {', '.join(held)}",
            why="weights are fractions of NAV; a book without value cannot be rebalanced",
            fix="liquidate the positions first; the simulator does so on the day NAV reaches zero",
        )
    return {symbol: value / nav for symbol, value in held.items()}


def _weights(weights: Mapping[str, float]) -> dict[str, float]:
    """Return the weights as floats in symbol order."""
    found = {symbol: float(weights[symbol]) for symbol in sorted(weights)}
    for symbol, weight in found.items():
        if not math.isfinite(weight):
            raise DataError(
                f"the target weight of {symbol} is {weight!r}, expected a finite number",
                where=symbol,
                why="a weight is a fraction of NAV",
                fix="do not pass the result of a failed solve as targets",
            )
    return found


def _float(value: object) -> float:
    return float(cast("float", value))

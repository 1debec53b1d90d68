"""Limits beside the caps and costs of trading, as a certificate tells them.

Any prices of the limits that are not negative, and any slopes of the trades, bound how good allowed
weights can be: a cost lies above each straight line through 0 whose slope its linear part allows,
and where it has a power, above any line less what the line exceeds it by at most.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.values import FloatArray, Payload

ROUNDING = 1e-7
"""How far a recorded slope may exceed what the costs allow, relative to the largest slope."""

SAME = 1e-12
"""How far two spellings of one number may be apart."""

GROUPS: Mapping[str, tuple[str, str]] = {
    "sector_cap": ("sectors", "sector_caps"),
    "asset_class_cap": ("asset_classes", "asset_class_caps"),
}
"""Kind of group cap -> parameters with the groups and their caps."""

_NO_PRICES = ("turnover_limit", "infeasible_turnover")
"""Parameters of trading that are no prices."""


@dataclass(frozen=True, slots=True)
class Check:
    """One condition: `value` must not exceed `limit`."""

    name: str
    value: float
    limit: float

    @property
    def holds(self) -> bool:
        """Whether the condition holds; a value that is no number does not."""
        return self.value <= self.limit


@dataclass(frozen=True, slots=True, eq=False)
class Beside:
    """What a certificate tells beside budget and caps; all zeros where it tells nothing.

    Attributes
    ----------
    symbols : tuple of str
    weights : ndarray of shape (n_symbols,)
        Recorded.
    matrix, limits, prices : ndarray of shape (n_rows, n_symbols), (n_rows,), (n_rows,)
        Limits `matrix w <= limits` and what they are worth.
    held, trades : ndarray of shape (n_symbols,)
        Weights before the decision and the slopes of their costs.
    linear, root : ndarray of shape (n_symbols,)
        Costs of a trade `u`: `linear |u| + root |u|^(3/2)`.
    room : float or None
        Most that may be traded.
    turnover : float
        What it is worth.
    """

    symbols: tuple[str, ...]
    weights: FloatArray
    matrix: FloatArray
    limits: FloatArray
    prices: FloatArray
    held: FloatArray
    trades: FloatArray
    linear: FloatArray
    root: FloatArray
    room: float | None
    turnover: float

    @classmethod
    def read(cls, told: Payload, symbols: Sequence[str], weights: FloatArray) -> Beside:
        """Return what the certificate `told` says, without costs: they follow from parameters."""
        rows = cast("dict[str, dict[str, float]]", told.get("rows", {}))
        prices = cast("dict[str, dict[str, float]]", told["prices"])
        worth, none = prices.get("rows", {}), np.zeros(len(symbols))
        matrix = [
            _column(cast("dict[str, float]", row["coefficients"]), symbols) for row in rows.values()
        ]
        return cls(
            tuple(symbols),
            weights,
            np.array(matrix).reshape(-1, len(symbols)),
            np.array([row["limit"] for row in rows.values()], dtype=np.float64),
            np.array([worth.get(label, 0.0) for label in rows], dtype=np.float64),
            _column(cast("dict[str, float]", told.get("held", {})), symbols),
            _column(prices.get("trades", {}), symbols),
            none,
            none,
            cast("float | None", told.get("room")),
            cast("float", prices.get("turnover", 0.0)),
        )

    def priced(
        self, told: Mapping[str, object], deviations: FloatArray, scale: float, penalty: float
    ) -> Beside:
        """Return the same with the costs that parameters of trading imply.

        Parameters
        ----------
        told : mapping
            `linear_bps`, `impact_coefficient` and so on; empty for no costs.
        deviations : ndarray of shape (n_symbols,)
            Daily volatility.
        scale : float
            Of the objective, per cost as a fraction of NAV; 0 for an objective without costs.
        penalty : float
            On each unit of traded weight.
        """
        if not told or not scale:
            return self
        rates = _by_symbol(told, "linear_bps", self.symbols) * 1e-4
        root = np.zeros(len(self.symbols))
        if told["impact_coefficient"]:
            volumes = _by_symbol(told, "daily_volume", self.symbols)
            root = cast("float", told["impact_coefficient"]) * deviations / np.sqrt(volumes)
        return replace(self, linear=scale * rates + penalty, root=scale * root)

    def divided(self, unit: float) -> Beside:
        """Return the same with the costs divided by `unit`."""
        return replace(self, linear=self.linear / unit, root=self.root / unit)

    def cost(self) -> float:
        """Return the costs of the trades."""
        size = np.abs(self.weights - self.held)
        return float((self.linear * size + self.root * size**1.5).sum())

    def excess(self) -> list[float]:
        """Return by how much the weights exceed each limit."""
        over: list[float] = (self.matrix @ self.weights - self.limits).tolist()
        if self.room is not None:
            over.append(float(np.abs(self.weights - self.held).sum()) - self.room)
        return over

    def slope(self) -> FloatArray:
        """Return what is added to the slope of the objective."""
        found: FloatArray = self.trades + self.prices @ self.matrix
        return found

    def value(self) -> float:
        """Return what is added to the value at the weights."""
        room = self.turnover * (self.room or 0.0)
        straight = float(self.trades @ self.held) + float(self.prices @ self.limits)
        return self.cost() + self._exceeded() + room + straight

    def _exceeded(self) -> float:
        """Return by how much the slopes exceed the costs at most, over all trades."""
        beyond = np.maximum(np.abs(self.trades) - self.linear - self.turnover, 0.0)
        held = self.root > 0.0
        return float((4.0 / 27.0 * beyond[held] ** 3 / self.root[held] ** 2).sum())

    def checks(self, size: float) -> list[Check]:
        """Check signs, and that no slope exceeds costs that nothing else holds back."""
        if not len(self.limits) and not self.trades.any():
            return []
        beyond = np.abs(self.trades) - self.linear - self.turnover
        free = float(beyond[self.root == 0.0].max(initial=0.0)) / size
        signs = max(0.0, -self.turnover, float((-self.prices).max(initial=0.0)))
        unlimited = self.turnover if self.room is None else 0.0
        return [
            Check("limit prices", max(signs, unlimited), 0.0),
            Check("trade slopes", free, ROUNDING),
        ]


def prices_of(params: Payload) -> Payload:
    """Return the prices of trading that the parameters of an intent declare."""
    told = cast("Payload", params.get("trading", {}))
    return {name: value for name, value in told.items() if name not in _NO_PRICES}


def held_as(told: Payload, symbols: Sequence[str], holdings: Mapping[str, float]) -> Check:
    """Check that costs and turnover were counted from the weights that were held."""
    if "held" not in told:
        return Check("holdings", 0.0, 0.0)
    held = cast("dict[str, float]", told["held"])
    differ = [abs(held.get(s, 0.0) - holdings.get(s, 0.0)) for s in symbols]
    return Check("holdings", max(differ), SAME)


def limits_as_declared(
    told: Payload, symbols: Sequence[str], params: Payload, result: Payload
) -> list[Check]:
    """Check that every limit beside the caps that is declared is told as declared.

    Group caps and the turnover limit may be wider, where the result says by which rule.
    """
    regime = cast("str", cast("Payload", result["caps"])["regime"])
    declared = _declared_rows(params, symbols, regime, cast("Payload", result.get("group_caps")))
    rows = cast("dict[str, dict[str, float]]", told.get("rows", {}))
    differ = len(set(declared) ^ set(rows))
    for label in set(declared) & set(rows):
        limit, coefficients = declared[label]
        found = _column(cast("dict[str, float]", rows[label]["coefficients"]), symbols)
        differ += abs(rows[label]["limit"] - limit) > SAME or bool((found != coefficients).any())
    return [Check("limits", float(differ + _turnover_differs(params, result, told)), 0.0)]


def _turnover_differs(params: Payload, result: Payload, told: Payload) -> bool:
    declared = cast("Payload", params.get("trading", {})).get("turnover_limit")
    trading = cast("dict[str, float] | None", result.get("trading"))
    if trading is None:
        return declared is not None
    limit, rule = cast("float | None", trading["turnover_limit"]), str(trading["rule"])
    if "held" not in told:
        # Without an objective and without a limit in force the book does not matter.
        return not (limit is None and (declared is None or rule == "initial"))
    right = {"none": limit == declared, "initial": limit is None, "relax": limit is not None}
    cash_leg = abs(cast("float", result["cash"]) - trading["cash"])
    room = None if limit is None else 2.0 * limit - trading["leaving"] - cash_leg
    found = cast("float | None", told.get("room"))
    same = room == found if room is None or found is None else abs(room - found) <= SAME
    return not (right[rule] and same)


def _declared_rows(
    params: Payload, symbols: Sequence[str], regime: str, groups: Payload | None
) -> dict[str, tuple[float, FloatArray]]:
    rows: dict[str, tuple[float, FloatArray]] = {}
    for kind, (homes, caps) in GROUPS.items():
        declared = cast("dict[str, float] | None", params.get(caps))
        if declared is not None and groups is not None:
            relaxed = groups["rule"] == "relax"
            cap = cast("float", groups[kind]) if relaxed else declared[regime]
            home = cast("dict[str, str]", params[homes])
            for group in {home[symbol] for symbol in symbols}:
                members = np.array([float(home[symbol] == group) for symbol in symbols])
                rows[f"{kind}.{group}"] = cap, members
    floors = cast("dict[str, float]", params.get("symbol_floors", {}))
    for symbol in set(floors) & set(symbols):
        rows[f"symbol_floor.{symbol}"] = -floors[symbol], _column({symbol: -1.0}, symbols)
    net = cast("list[float] | None", params.get("net_limits"))
    if net is not None:
        short = set(cast("list[str]", params["short_symbols"]))
        sign = np.array([-1.0 if symbol in short else 1.0 for symbol in symbols])
        rows["net.least"], rows["net.most"] = (-net[0], -sign), (net[1], sign)
    return rows


def _column(told: Mapping[str, float], symbols: Sequence[str]) -> FloatArray:
    return np.array([told.get(symbol, 0.0) for symbol in symbols], dtype=np.float64)


def _by_symbol(told: Mapping[str, object], name: str, symbols: Sequence[str]) -> FloatArray:
    single = cast("dict[str, float]", told[f"{name}_of"])
    every = cast("float | None", told[name])
    return np.array([single.get(s, math.nan if every is None else every) for s in symbols])

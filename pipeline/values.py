"""Frozen values that travel between the stages.

Arrays are float64, C-contiguous and read-only: memory order changes the last bits of a sum, and a
stage that could write into its input could not be replayed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
"""What a payload is made of."""

Payload: TypeAlias = "dict[str, Json]"
"""A recorded result: a JSON object with finite numbers."""

FloatArray: TypeAlias = "NDArray[np.float64]"
DateArray: TypeAlias = "NDArray[np.datetime64]"


def frozen_array(values: object) -> FloatArray:
    """Return `values` as a read-only C-contiguous float64 array (a copy)."""
    array = np.array(values, dtype=np.float64, order="C")
    array.flags.writeable = False
    return array


def frozen_dates(values: object) -> DateArray:
    """Return `values` as a read-only array of days (`datetime64[D]`)."""
    array = np.array(values, dtype="datetime64[D]")
    array.flags.writeable = False
    return array


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """Closes of several symbols on common dates; NaN where a symbol has no bar.

    Attributes
    ----------
    dates : ndarray of shape (n_dates,)
        Market days, strictly increasing, `datetime64[D]`.
    symbols : tuple of str
        Column names in ascending order, unique.
    closes : ndarray of shape (n_dates, n_symbols)
        Positive closes in the currency of the source; NaN means "no bar", never 0.
    """

    dates: DateArray
    symbols: tuple[str, ...]
    closes: FloatArray

    @classmethod
    def of(cls, dates: object, symbols: Sequence[str], closes: object) -> Panel:
        """Build a panel from array-likes, checking its shape and order.

        Raises
        ------
        ValueError
            If dates do not increase, symbols are not sorted and unique, or the shape is not
            (n_dates, n_symbols).
        """
        panel = cls(frozen_dates(dates), tuple(symbols), frozen_array(closes))
        if panel.closes.shape != (len(panel.dates), len(panel.symbols)):
            msg = f"closes have shape {panel.closes.shape}, dates and symbols say otherwise"
            raise ValueError(msg)
        if np.any(np.diff(panel.dates).astype(np.int64) <= 0):
            msg = "dates must increase strictly"
            raise ValueError(msg)
        if list(panel.symbols) != sorted(set(panel.symbols)):
            msg = "symbols must be sorted and unique"
            raise ValueError(msg)
        return panel

    def rows(self, first: int, stop: int) -> Panel:
        """Return the panel of rows `first` to `stop - 1`."""
        return Panel(
            frozen_dates(self.dates[first:stop]),
            self.symbols,
            frozen_array(self.closes[first:stop]),
        )

    def columns(self, symbols: Sequence[str]) -> Panel:
        """Return the panel of `symbols`, in ascending order."""
        chosen = tuple(sorted(symbols))
        index = [self.symbols.index(symbol) for symbol in chosen]
        return Panel(self.dates, chosen, frozen_array(self.closes[:, index]))

    def returns(self) -> Returns:
        """Return simple returns over the dates on which every symbol has a bar.

        A date that lacks a bar of any symbol is left out before the division, so the return of
        the next date compounds over it; nothing is padded.
        """
        complete = ~np.isnan(self.closes).any(axis=1)
        closes = np.ascontiguousarray(self.closes[complete])
        return Returns(
            frozen_dates(self.dates[complete][1:]),
            self.symbols,
            frozen_array(closes[1:] / closes[:-1] - 1.0),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Returns:
    """Simple returns without holes.

    Attributes
    ----------
    dates : ndarray of shape (n_dates,)
        The day on which each return ends.
    symbols : tuple of str
        Column names in ascending order.
    values : ndarray of shape (n_dates, n_symbols)
        Simple returns per period, finite.
    """

    dates: DateArray
    symbols: tuple[str, ...]
    values: FloatArray

    def columns(self, symbols: Sequence[str]) -> Returns:
        """Return the returns of `symbols`, in ascending order."""
        chosen = tuple(sorted(symbols))
        index = [self.symbols.index(symbol) for symbol in chosen]
        return Returns(self.dates, chosen, frozen_array(self.values[:, index]))


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a book holds, as values in the currency of its NAV.

    Attributes
    ----------
    cash : float
        Cash; may be negative when positions are financed.
    positions : mapping of str to float
        Signed value of each position; a short position is negative. Sorted by symbol.
    """

    cash: float
    positions: Mapping[str, float]

    @property
    def nav(self) -> float:
        """Net asset value: cash plus the signed positions, summed in symbol order."""
        total = self.cash
        for symbol in sorted(self.positions):
            total += self.positions[symbol]
        return total

    def weights(self) -> dict[str, float]:
        """Return each position divided by NAV (cash left out).

        Raises
        ------
        ZeroDivisionError
            If NAV is zero.
        """
        nav = self.nav
        return {symbol: self.positions[symbol] / nav for symbol in sorted(self.positions)}

    def to_payload(self) -> Payload:
        """Return `{"cash": ..., "positions": {...}}`."""
        return {"cash": self.cash, "positions": dict(sorted(self.positions.items()))}

    @classmethod
    def from_payload(cls, payload: Payload) -> Holdings:
        """Return the holdings that `to_payload` wrote."""
        positions = payload["positions"]
        assert isinstance(positions, dict)  # noqa: S101 - our own payload
        return cls(_number(payload["cash"]), {k: _number(v) for k, v in sorted(positions.items())})


def _number(value: Json) -> float:
    """Return a JSON number as float; JCS writes 1.0 as 1, so integers come back."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        msg = f"expected a number, found {value!r}"
        raise TypeError(msg)
    return float(value)


def iso(day: object) -> str:
    """Return a `datetime64[D]` (or date) as `YYYY-MM-DD`."""
    return str(np.datetime64(day, "D"))  # type: ignore[call-overload]

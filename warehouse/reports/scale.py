"""From values to places on a drawing, and where to put the ticks."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONG_MONTHS = 30
_LONG_YEARS = 3


@dataclass(frozen=True, slots=True)
class Linear:
    """A straight scale from `[low, high]` to `[start, stop]`."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        """Return the place of `value`; the middle when all values are the same."""
        if self.high == self.low:
            return (self.start + self.stop) / 2
        return self.start + (value - self.low) / (self.high - self.low) * (self.stop - self.start)


@dataclass(frozen=True, slots=True)
class Logarithmic:
    """A logarithmic scale from `[low, high]`, both positive, to `[start, stop]`."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        """Return the place of `value`; what lies below `low` is drawn at `low`."""
        inner = Linear(math.log(self.low), math.log(self.high), self.start, self.stop)
        return inner(math.log(max(value, self.low)))


@dataclass(frozen=True, slots=True)
class Days:
    """A straight scale over dates."""

    first: dt.date
    last: dt.date
    start: float
    stop: float

    def __call__(self, value: dt.date) -> float:
        """Return the place of a date."""
        inner = Linear(self.first.toordinal(), self.last.toordinal(), self.start, self.stop)
        return inner(value.toordinal())


def linear_ticks(low: float, high: float, most: int) -> list[float]:
    """Return at most `most` + 1 round numbers within `[low, high]`.

    >>> linear_ticks(0.0, 0.37, 4)
    [0.0, 0.1, 0.2, 0.3]
    """
    if high <= low:
        return [low]
    raw = (high - low) / most
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(m * unit for m in (1, 2, 5, 10) if m * unit >= raw * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """Return at most `most` round numbers within `[low, high]`, spread evenly on a log scale.

    >>> log_ticks(0.8, 9.0, 4)
    [1.0, 2.0, 5.0]
    """
    for mantissas in ((1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8), (1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1,)):
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        found = [round(m * 10.0**k, 12) for k in decades for m in mantissas]
        ticks = [tick for tick in found if low <= tick <= high]
        if len(ticks) <= most:
            return ticks
    return ticks[:: math.ceil(len(ticks) / most)]


def date_ticks(first: dt.date, last: dt.date, most: int) -> list[tuple[dt.date, str]]:
    """Return at most `most` dates within the span, each with its label.

    Years when the span is long, else months, else the two ends.
    """
    months = (last.year - first.year) * 12 + last.month - first.month
    if months > _LONG_MONTHS:
        step = next(k for k in (1, 2, 5, 10, 20, 50, 100) if months / 12 / k <= most)
        every = (dt.date(y, 1, 1) for y in range(first.year, last.year + 1) if y % step == 0)
        return [(d, str(d.year)) for d in _within(every, first, last)]
    if months >= _LONG_YEARS:
        step = next(k for k in (1, 2, 3, 6, 12) if months / k <= most)
        starts = (first.year * 12 + first.month - 1 + k for k in range(months + 1))
        begun = (dt.date(k // 12, k % 12 + 1, 1) for k in starts if k % 12 % step == 0)
        return [(d, d.isoformat()[:7]) for d in _within(begun, first, last)]
    ends = [first] if first == last else [first, last]
    return [(d, d.isoformat()) for d in ends]


def _within(days: Iterable[dt.date], first: dt.date, last: dt.date) -> list[dt.date]:
    return [d for d in days if first <= d <= last]

"""What the bars of each symbol cover: sessions with and without a bar, and how the price moved.

All symbols are measured at once, because every window of a walk-forward asks again. Holes lie
between two bars on sessions; a bar on a day that is no session is counted apart and fills nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from pipeline.ingestion.calendars import ALWAYS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pipeline.ingestion.calendars import Calendar
    from pipeline.values import FloatArray, Panel

    Counts: TypeAlias = NDArray[np.int64]
    Mask: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Coverage:
    """What the bars of one symbol cover.

    Attributes
    ----------
    symbol : str
        The symbol.
    bars : int
        Its bars in the rows given.
    off_session : int
        Those of its bars that lie on no session.
    listed : int
        Sessions from its first bar to the decision date, both included.
    expected : int
        Sessions from its first to its last bar on a session, both included.
    missing : int
        Expected sessions without a bar.
    holes : int
        Holes longer than tolerated.
    largest_gap : int
        Sessions missing in the longest hole.
    tolerated : int
        Sessions missing in the other holes.
    stale : int
        Sessions after its last bar, up to the decision date.
    first_date, last_date : datetime64[D] or None
        Days of its first and last bar; None without a bar.
    deviation : float or None
        Sample standard deviation of its returns from bar to bar; None below two returns.
    largest_return : float or None
        Largest absolute return from bar to bar; None without a return.
    """

    symbol: str
    bars: int
    off_session: int
    listed: int
    expected: int
    missing: int
    holes: int
    largest_gap: int
    tolerated: int
    stale: int
    first_date: np.datetime64 | None
    last_date: np.datetime64 | None
    deviation: float | None
    largest_return: float | None


def tolerated_gap(calendar: Calendar, tolerated_gap_sessions: int) -> int:
    """Return the longest hole that is tolerated; a market that never closes has no excuse."""
    return 0 if calendar.name == ALWAYS else tolerated_gap_sessions


def measure(panel: Panel, as_of: np.datetime64, calendar: Calendar, gap: int) -> Iterator[Coverage]:
    """Yield the coverage of each symbol of `panel`, in its order.

    Parameters
    ----------
    panel : Panel
        At least one row, none after `as_of`.
    as_of : datetime64[D]
        Decision date.
    calendar : Calendar
        On which days a bar is expected.
    gap : int
        Longest hole, in sessions, that is tolerated.
    """
    sessions = calendar.sessions(panel.dates[0], as_of)
    before = np.searchsorted(sessions, panel.dates)
    through = np.searchsorted(sessions, panel.dates, side="right")
    present = ~np.isnan(panel.closes)
    regular = present & (before < through)[:, None]
    gaps = _gaps(regular, before, through)
    first, last = _ends(present)
    first_regular, last_regular = _ends(regular)
    regular_bars = regular.sum(axis=0)
    expected = np.where(regular_bars > 0, through[last_regular] - before[first_regular], 0)
    unseen = np.where(regular_bars > 0, through[last_regular], before[first])
    bars = present.sum(axis=0)
    counts = {
        "bars": bars,
        "off_session": bars - regular_bars,
        "listed": len(sessions) - before[first],
        "expected": expected,
        "missing": gaps.sum(axis=0),
        "holes": (gaps > gap).sum(axis=0),
        "largest_gap": gaps.max(axis=0),
        "tolerated": np.where(gaps <= gap, gaps, 0).sum(axis=0),
        "stale": len(sessions) - unseen,
    }
    columns = {name: column.tolist() for name, column in counts.items()}
    deviation, largest_return = _moves(panel.closes, present)
    for i, symbol in enumerate(panel.symbols):
        yield Coverage(
            symbol=symbol,
            first_date=panel.dates[first[i]] if bars[i] else None,
            last_date=panel.dates[last[i]] if bars[i] else None,
            deviation=deviation[i],
            largest_return=largest_return[i],
            **{name: column[i] for name, column in columns.items()},
        )


def _before(present: Mask) -> Counts:
    """Return, for each cell, the row of the nearest bar above it; -1 if there is none."""
    rows = np.where(present, np.arange(len(present))[:, None], -1)
    nearest = np.full(present.shape, -1)
    nearest[1:] = np.maximum.accumulate(rows, axis=0)[:-1]
    return nearest


def _gaps(regular: Mask, before: Counts, through: Counts) -> Counts:
    """Return, at each bar, the sessions missing since the bar before it; 0 elsewhere."""
    nearest = _before(regular)
    missing = before[:, None] - through[nearest]
    return np.where(regular & (nearest >= 0), missing, 0)


def _ends(present: Mask) -> tuple[Counts, Counts]:
    """Return the rows of the first and last bar; the first and last row without any."""
    return present.argmax(axis=0), len(present) - 1 - present[::-1].argmax(axis=0)


def _moves(closes: FloatArray, present: Mask) -> tuple[list[float | None], list[float | None]]:
    """Return the deviation and the largest absolute value of each symbol's returns.

    Sums run down the rows of C-contiguous arrays, cells without a return adding zero.
    """
    nearest = _before(present)
    moved = present & (nearest >= 0)
    earlier = np.take_along_axis(closes, np.maximum(nearest, 0), axis=0)
    returns = np.where(moved, closes / earlier - 1.0, 0.0)
    count = moved.sum(axis=0)
    mean = returns.sum(axis=0) / np.maximum(count, 1)
    squares = np.where(moved, (returns - mean) ** 2, 0.0).sum(axis=0)
    deviation = np.sqrt(squares / np.maximum(count - 1, 1))
    largest = np.abs(returns).max(axis=0)
    return (
        [value if n > 1 else None for value, n in zip(deviation.tolist(), count, strict=True)],
        [value if n > 0 else None for value, n in zip(largest.tolist(), count, strict=True)],
    )

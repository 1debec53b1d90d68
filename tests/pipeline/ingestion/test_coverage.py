"""Sessions counted by the vectorised measure and by counting them one by one."""

from __future__ import annotations

import itertools
import statistics
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.ingestion.calendars import open_calendar
from pipeline.ingestion.coverage import Coverage, measure, tolerated_gap
from pipeline.values import Panel

if TYPE_CHECKING:
    from pipeline.ingestion.calendars import Calendar

FIRST = np.datetime64("2023-12-18", "D")
"""A Monday; the three weeks after it have two holidays of XNYS."""


@st.composite
def panels(draw: st.DrawFn) -> Panel:
    """Return a panel with holes, days that are no session, and late or ended symbols."""
    offsets = sorted(draw(st.sets(st.integers(0, 20), min_size=1)))
    cell = st.one_of(st.none(), st.sampled_from([1.0, 2.0, 2.5, 100.0]))
    width = draw(st.integers(1, 3))
    rows = [draw(st.lists(cell, min_size=width, max_size=width)) for _ in offsets]
    return Panel.of(
        [FIRST + np.timedelta64(offset, "D") for offset in offsets],
        [f"S{i}" for i in range(width)],
        np.array(rows, dtype=np.float64),
    )


def counted(
    panel: Panel, column: int, as_of: np.datetime64, calendar: Calendar, gap: int
) -> Coverage:
    """Count what a symbol covers day by day."""
    sessions = calendar.sessions(panel.dates[0], as_of).tolist()
    closes = dict(zip(panel.dates.tolist(), panel.closes[:, column].tolist(), strict=True))
    bars = [day for day, close in closes.items() if not np.isnan(close)]
    regular = [day for day in bars if day in sessions]
    expected = [day for day in sessions if regular and regular[0] <= day <= regular[-1]]
    lengths, run = [], 0
    for day in expected:
        if day in regular:
            lengths.append(run)
            run = 0
        else:
            run += 1
    seen = [regular[-1]] if regular else []
    prices = [closes[day] for day in bars]
    returns = [after / before - 1.0 for before, after in itertools.pairwise(prices)]
    return Coverage(
        symbol=panel.symbols[column],
        bars=len(bars),
        off_session=len(bars) - len(regular),
        listed=sum(day >= bars[0] for day in sessions) if bars else -1,
        expected=len(expected),
        missing=sum(lengths),
        holes=sum(length > gap for length in lengths),
        largest_gap=max(lengths, default=0),
        tolerated=sum(length for length in lengths if length <= gap),
        stale=sum(day > seen[0] if seen else day >= bars[0] for day in sessions) if bars else -1,
        first_date=np.datetime64(bars[0], "D") if bars else None,
        last_date=np.datetime64(bars[-1], "D") if bars else None,
        deviation=statistics.stdev(returns) if len(returns) > 1 else None,
        largest_return=max(map(abs, returns), default=None),
    )


@pytest.mark.property
@settings(max_examples=300)
@given(panels(), st.integers(0, 4), st.sampled_from(["XNYS", "24x7"]), st.integers(0, 2))
def test_measure_agrees_with_counting(panel: Panel, after: int, name: str, gap: int) -> None:
    """Every count, for symbols with and without bars, sessions and holes."""
    calendar = open_calendar(name)
    as_of = panel.dates[-1] + np.timedelta64(after, "D")
    for column, found in enumerate(measure(panel, as_of, calendar, gap)):
        wanted = counted(panel, column, as_of, calendar, gap)
        for field in Coverage.__slots__:
            ours, theirs = getattr(found, field), getattr(wanted, field)
            if wanted.bars == 0 and field in {"listed", "stale"}:
                continue  # counted from the first row, since there is no bar; not used
            if field == "deviation" and theirs is not None:
                assert ours == pytest.approx(theirs, rel=1e-12, abs=1e-12)
            else:
                assert ours == theirs, field


@pytest.mark.property
@given(panels())
def test_missing_and_found_sessions_add_up(panel: Panel) -> None:
    """Each expected session has a bar or is missing."""
    for found in measure(panel, panel.dates[-1], open_calendar("XNYS"), 1):
        assert found.expected == found.missing + found.bars - found.off_session


def test_deviation_is_the_sample_deviation_of_the_returns() -> None:
    """Closes 100, 110, 99 return +10 % and -10 %; their deviation is 0.2 / sqrt(2)."""
    days = ["2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05"]
    panel = Panel.of(days, ["A", "B"], [[100, 1], [110, np.nan], [np.nan, np.nan], [99, 3]])
    first, second = measure(panel, panel.dates[-1], open_calendar("XNYS"), 1)
    assert first.deviation == pytest.approx(0.2 / np.sqrt(2.0), rel=1e-14)
    assert first.largest_return == pytest.approx(0.1)
    assert second.deviation is None
    assert second.largest_return == 2.0


def test_market_that_never_closes_tolerates_no_hole() -> None:
    """A missing day of a 24x7 market has no excuse."""
    assert tolerated_gap(open_calendar("24x7"), 1) == 0
    assert tolerated_gap(open_calendar("XNYS"), 1) == 1

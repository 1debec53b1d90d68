"""Sessions of markets, without a look at the clock."""

from __future__ import annotations

import datetime as dt

import exchange_calendars
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConfigError
from pipeline.ingestion import calendars
from pipeline.ingestion.calendars import open_calendar

DATES = st.dates(dt.date(1980, 1, 1), dt.date(2040, 12, 31))


def test_24x7_has_every_day() -> None:
    """A market that never closes; weekends, leap days and the last day are sessions."""
    calendar = open_calendar("24x7")
    assert calendar.periods_per_year == 365
    assert len(calendar.sessions("2023-01-01", "2024-12-31")) == 365 + 366
    assert [str(day) for day in calendar.sessions("2024-02-29", dt.date(2024, 3, 1))] == [
        "2024-02-29",
        "2024-03-01",
    ]


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("2012-10-26", "2012-10-31", ["2012-10-26", "2012-10-31"]),  # hurricane Sandy
        ("2001-09-10", "2001-09-17", ["2001-09-10", "2001-09-17"]),  # attacks of 11 September
        ("2024-03-28", "2024-04-01", ["2024-03-28", "2024-04-01"]),  # Good Friday
        ("2018-12-04", "2018-12-06", ["2018-12-04", "2018-12-06"]),  # funeral of G. H. W. Bush
        ("2022-06-17", "2022-06-21", ["2022-06-17", "2022-06-21"]),  # Juneteenth on a Sunday
        ("2021-06-18", "2021-06-18", ["2021-06-18"]),  # one year before it was a holiday
        ("1999-12-30", "2000-01-04", ["1999-12-30", "1999-12-31", "2000-01-03", "2000-01-04"]),
        ("2024-01-06", "2024-01-07", []),
        ("2024-01-08", "2024-01-05", []),
    ],
)
def test_xnys_closed_when_the_exchange_did(first: str, last: str, expected: list[str]) -> None:
    """Planned and unplanned closings, across the edge of a block, and empty ranges."""
    found = open_calendar("XNYS").sessions(first, last)
    assert [str(day) for day in found] == expected


def test_xnys_sessions_are_those_of_one_long_range() -> None:
    """Joining blocks of years loses and adds nothing; 252 a year is their number."""
    found = open_calendar("XNYS").sessions("1990-01-01", "2025-12-31")
    with pytest.warns(pd.errors.Pandas4Warning):
        whole = exchange_calendars.get_calendar("XNYS", start="1990-01-01", end="2025-12-31")
    np.testing.assert_array_equal(found, whole.sessions.to_numpy().astype("M8[D]"))
    assert len(found) == 9067
    assert round(len(found) / 36) == open_calendar("XNYS").periods_per_year


@pytest.mark.property
@given(DATES, DATES, DATES)
def test_sessions_of_a_part_are_a_part_of_the_sessions(
    one: dt.date, two: dt.date, three: dt.date
) -> None:
    """What was asked for before does not change an answer."""
    first, cut, last = sorted([one, two, three])
    for name in ("XNYS", "24x7"):
        calendar = open_calendar(name)
        whole = calendar.sessions(first, last)
        parts = [calendar.sessions(first, cut), calendar.sessions(cut + dt.timedelta(1), last)]
        np.testing.assert_array_equal(whole, np.concatenate(parts))


def test_the_clock_does_not_bound_the_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    """exchange_calendars ends a year after today unless told otherwise; it is always told."""
    real = exchange_calendars.get_calendar
    seen = []

    def spy(name: str, **bounds: str) -> exchange_calendars.ExchangeCalendar:
        seen.append(bounds)
        return real(name, **bounds)

    monkeypatch.setattr(exchange_calendars, "get_calendar", spy)
    for cached in (calendars._bounds, calendars._block, calendars._sessions_around):
        cached.cache_clear()
    assert len(open_calendar("XNYS").sessions("1993-01-29", "2045-12-31")) > 13_000
    assert all(set(bounds) == {"start", "end"} for bounds in seen)


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("XNSY", "did you mean XNYS?"),
        ("xnys", "did you mean XNYS?"),
        ("NYSE", "did you mean XNYS?"),
        ("24/7", "did you mean 24x7?"),
        ("24X7", "did you mean 24x7?"),
    ],
)
def test_unknown_calendar_suggests_the_one_name(name: str, fix: str) -> None:
    """Aliases are not accepted either: one calendar, one name in the records."""
    with pytest.raises(ConfigError) as caught:
        open_calendar(name)
    assert caught.value.fix == fix


def test_days_beyond_the_knowledge_of_a_calendar_are_refused() -> None:
    """Sessions are not guessed where exchange_calendars says that it does not know them."""
    tokyo = open_calendar("XTKS")
    assert len(tokyo.sessions("1997-01-01", "1997-12-31")) == 245
    with pytest.raises(ConfigError, match="known from 1997-01-01"):
        tokyo.sessions("1996-12-31", "1997-12-31")


def test_calendar_that_cannot_be_built_is_an_error_of_the_calendar(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Libraries that do not fit together do not end in a stack trace."""

    def broken(*_: object, **__: object) -> None:
        raise NotImplementedError

    calendars._bounds.cache_clear()
    monkeypatch.setattr(exchange_calendars, "get_calendar", broken)
    with pytest.raises(ConfigError, match="XLON cannot be built"):
        open_calendar("XLON")


def test_weekday_calendar_has_its_own_number_of_periods() -> None:
    """Currencies trade on all weekdays, about 260 a year."""
    calendar = open_calendar("24/5")
    assert calendar.periods_per_year == 260
    assert len(calendar.sessions("2024-01-01", "2024-12-31")) == 262

"""Ticks are round, few, and inside; scales map ends to ends."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse.reports.scale import (
    Days,
    Linear,
    Logarithmic,
    date_ticks,
    linear_ticks,
    log_ticks,
)

NUMBERS = st.floats(-1e6, 1e6)
DATES = st.dates(dt.date(1990, 1, 1), dt.date(2060, 1, 1))


def test_scales_map_ends_to_ends() -> None:
    """The ends of the values are the ends of the drawing, the middle is in the middle."""
    assert [Linear(0, 4, 100, 0)(x) for x in (0, 2, 4)] == [100, 50, 0]
    assert [Logarithmic(1, 100, 0, 10)(x) for x in (1, 10, 100)] == pytest.approx([0, 5, 10])
    first, last = dt.date(2020, 1, 1), dt.date(2020, 1, 11)
    assert [Days(first, last, 0, 10)(d) for d in (first, dt.date(2020, 1, 6), last)] == [0, 5, 10]


def test_scale_of_one_value_is_its_middle() -> None:
    """A series that never moves is drawn in the middle, not divided by zero."""
    assert Linear(3, 3, 0, 10)(3) == 5


def test_logarithm_of_nothing_is_drawn_at_the_bottom() -> None:
    """A book that lost everything lies on the lowest line."""
    assert Logarithmic(0.1, 10, 0, 10)(0.0) == 0


@given(NUMBERS, st.floats(1e-3, 1e6), st.integers(2, 8))
def test_linear_ticks_are_few_and_inside(low: float, width: float, most: int) -> None:
    """There are at most `most` + 1 ticks, ascending, within the values."""
    ticks = linear_ticks(low, low + width, most)
    slack = 1e-6 * max(abs(low), width)
    assert len(ticks) <= most + 1
    assert ticks == sorted(set(ticks))
    assert all(low - slack <= tick <= low + width + slack for tick in ticks)


def test_linear_ticks_of_one_value() -> None:
    """One value has one tick."""
    assert linear_ticks(2.0, 2.0, 4) == [2.0]


@given(st.floats(1e-3, 1e3), st.floats(1.05, 1e4), st.integers(3, 8))
def test_log_ticks_are_few_and_inside(low: float, ratio: float, most: int) -> None:
    """There are at most `most` ticks, ascending, within the values."""
    ticks = log_ticks(low, low * ratio, most)
    assert len(ticks) <= most
    assert ticks == sorted(set(ticks))
    assert all(low <= tick <= low * ratio for tick in ticks)


@given(DATES, st.integers(0, 20_000), st.integers(3, 10))
def test_date_ticks_are_few_and_inside(first: dt.date, days: int, most: int) -> None:
    """There are at most `most` dates, ascending, within the span, each with its label."""
    last = first + dt.timedelta(days=days)
    ticks = date_ticks(first, last, most)
    dates = [day for day, _ in ticks]
    assert len(ticks) <= most + 1
    assert dates == sorted(set(dates))
    assert all(first <= day <= last for day in dates)
    assert all(day.isoformat().startswith(text) for day, text in ticks)


def test_date_ticks_follow_the_length() -> None:
    """Long spans have years, shorter ones months, the shortest its two ends."""
    first = dt.date(2013, 12, 31)
    assert [t for _, t in date_ticks(first, dt.date(2022, 12, 28), 8)] == [
        "2014",
        "2016",
        "2018",
        "2020",
        "2022",
    ]
    assert [t for _, t in date_ticks(first, dt.date(2014, 6, 1), 8)][:2] == ["2014-01", "2014-02"]
    assert [t for _, t in date_ticks(first, dt.date(2014, 1, 9), 8)] == ["2013-12-31", "2014-01-09"]
    assert date_ticks(first, first, 8) == [(first, "2013-12-31")]

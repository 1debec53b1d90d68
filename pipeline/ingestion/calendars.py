"""Calendars: on which days a bar is expected.

`24x7` has every day. Every other name is an exchange code of exchange_calendars, whose sessions
are read in blocks of 25 years with both ends given: without them its range would end a year after
the day on which the code runs. A block is read once; the blocks joined are the same sessions as
one long range (a test compares them).

Known limits:
    Past sessions are as good as exchange_calendars knows them, future ones are its forecast. Its
    version is part of the recorded environment.
"""

from __future__ import annotations

import functools
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import ConfigError
from pipeline.ingestion.spelling import did_you_mean
from pipeline.values import frozen_dates

if TYPE_CHECKING:
    from exchange_calendars import ExchangeCalendar

    from pipeline.values import DateArray

ALWAYS = "24x7"
"""The calendar on which every day is a session."""

PERIODS_PER_YEAR = {ALWAYS: 365, "24/5": 260}
"""Sessions in a year of the calendars that are no exchange; an exchange has 252."""

EXCHANGE_PERIODS = 252

_BLOCK_YEARS = 25
_PROBE = ("2023-01-01", "2023-12-31")
"""A year that lies within the bounds of every calendar."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """The sessions of a market.

    Attributes
    ----------
    name : str
        `24x7`, or a code of exchange_calendars.
    periods_per_year : int
        Sessions in a year, for annualising.
    """

    name: str
    periods_per_year: int

    def sessions(self, first: object, last: object) -> DateArray:
        """Return the sessions from `first` to `last`, both included, ascending.

        Parameters
        ----------
        first, last : date or datetime64[D]
            Days; need not be sessions. No session if `last` is before `first`.

        Raises
        ------
        ConfigError
            If exchange_calendars does not know the exchange at these days.
        """
        start, end = np.datetime64(first, "D"), np.datetime64(last, "D")  # type: ignore[call-overload]
        if self.name == ALWAYS:
            return frozen_dates(np.arange(start, end + np.timedelta64(1, "D")))
        _refuse_outside(self.name, start, end)
        known = _sessions_around(self.name, _block_of(start), _block_of(end))
        return known[np.searchsorted(known, start) : np.searchsorted(known, end, side="right")]


def open_calendar(name: str) -> Calendar:
    """Return the calendar called `name`.

    Raises
    ------
    ConfigError
        If there is no such calendar, or it cannot be built with the installed libraries.
    """
    if name != ALWAYS:
        _bounds(name)
    return Calendar(name, PERIODS_PER_YEAR.get(name, EXCHANGE_PERIODS))


def _block_of(day: np.datetime64) -> int:
    return (int(day.astype("datetime64[Y]").astype(np.int64)) + 1970) // _BLOCK_YEARS


def _refuse_outside(name: str, first: np.datetime64, last: np.datetime64) -> None:
    lowest, highest = _bounds(name)
    if first < lowest or last > highest:
        raise ConfigError(
            f"calendar {name} is known from {lowest} to {highest}, asked for {first} to {last}",
            where=f"data.calendar: {name}",
            why="sessions outside these bounds would be a guess",
            fix="set data.source.first_date and last_date within them, or use another calendar",
        )


@functools.cache
def _sessions_around(name: str, first: int, last: int) -> DateArray:
    """Return the sessions of the blocks `first` to `last`."""
    empty = np.empty(0, dtype="datetime64[D]")
    blocks = [_block(name, block) for block in range(first, last + 1)]
    return frozen_dates(np.concatenate([empty, *blocks]))


@functools.cache
def _block(name: str, block: int) -> DateArray:
    lowest, highest = _bounds(name)
    first = np.datetime64(f"{block * _BLOCK_YEARS:04d}-01-01", "D")
    last = np.datetime64(f"{(block + 1) * _BLOCK_YEARS - 1:04d}-12-31", "D")
    found = _exchange(name, str(max(first, lowest)), str(min(last, highest)))
    return frozen_dates(found.sessions.to_numpy())


@functools.cache
def _bounds(name: str) -> tuple[np.datetime64, np.datetime64]:
    """Return the first and last day at which exchange_calendars knows the exchange."""
    import exchange_calendars  # noqa: PLC0415 - takes a second

    known = {ALWAYS, *exchange_calendars.get_calendar_names(include_aliases=False)} - {"24/7"}
    if name not in known:
        meant = {**exchange_calendars.aliases_to_names(), "24/7": ALWAYS}.get(name)
        raise ConfigError(
            f"calendar {name!r} is not known",
            where=f"data.calendar: {name}",
            why="each calendar has one name: 24x7, or the code of an exchange",
            fix=f"did you mean {meant}?" if meant in known else did_you_mean(name, known),
        )
    probe = type(_exchange(name, *_PROBE))
    low, high = probe.bound_min(), probe.bound_max()
    lowest = np.datetime64("1950-01-01", "D") if low is None else np.datetime64(low, "D")
    highest = np.datetime64("2049-12-31", "D") if high is None else np.datetime64(high, "D")
    return lowest, highest


def _exchange(name: str, first: str, last: str) -> ExchangeCalendar:
    import exchange_calendars  # noqa: PLC0415 - takes a second

    with warnings.catch_warnings():
        # exchange_calendars 4.13 uses accessors that pandas 3.1 deprecates.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return exchange_calendars.get_calendar(name, start=first, end=last)
        except (NotImplementedError, ValueError) as e:
            raise ConfigError(
                f"calendar {name} cannot be built from {first} to {last}: {e!s:.120}",
                where=f"data.calendar: {name}",
                why="the installed exchange_calendars and pandas do not work together for it",
                fix="use the calendar of an exchange with the same holidays",
            ) from e

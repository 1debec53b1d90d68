"""Cells of a price file as dates and numbers, with every cell that is neither remembered.

A file is read as columns of text (CSV), numbers or instants (Parquet). Nothing is guessed: a cell
that cannot be read is a flaw with its place, and a file with a flaw is refused as a whole, with
the first few of each kind.

What a date may be: `YYYY-MM-DD`, a calendar day, or an instant that is midnight UTC (a time without
zone counts as UTC). Any other time of day is refused: to which market day it belongs depends on
the exchange, and a close stamped 20:00 UTC would silently move to another day.
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, SupportsIndex, TypeAlias, cast

import numpy as np

from pipeline.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from pipeline.values import DateArray, FloatArray

Cells: TypeAlias = "list[str | None] | FloatArray | NDArray[np.datetime64]"
"""One column of a file: texts, numbers (NaN: no value) or instants (NaT: no value)."""

SHOWN = 5
"""Places of each kind of flaw that an error names."""

NO_VALUE = frozenset({"", "nan", "na", "n/a", "#n/a", "null", "none"})
"""Spellings, in lower case, of "no value" in a text cell."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:?\d{2})?")
_NOT_A_DAY = np.datetime64("NaT", "D")


@dataclass(frozen=True, slots=True)
class Table:
    """A price file: named columns of equal length.

    Attributes
    ----------
    label : str
        Name of the file, as errors show it.
    names : tuple of str
        Column names as found; duplicates are possible.
    columns : tuple of Cells
        One per name.
    unit : str
        What a row is called in this kind of file: `line` or `row`.
    numbers : sequence of int
        Number of each row in that unit.
    """

    label: str
    names: tuple[str, ...]
    columns: tuple[Cells, ...]
    unit: str
    numbers: Sequence[int]

    def place(self, row: SupportsIndex) -> str:
        """Return where row `row` (from 0) is found in the file, e.g. `line 7`."""
        return f"{self.unit} {self.numbers[operator.index(row)]}"


@dataclass(frozen=True, slots=True)
class Flaw:
    """A kind of thing that is wrong with a file, in words."""

    what: str
    why: str
    fix: str


NOT_A_DATE = Flaw(
    "cells are not dates",
    "a date is YYYY-MM-DD, a calendar day, or an instant at midnight UTC",
    'write dates as YYYY-MM-DD, in pandas `df["date"].dt.strftime("%Y-%m-%d")`',
)
NOT_MIDNIGHT = Flaw(
    "instants are not midnight UTC",
    "to which market day a time of day belongs depends on the exchange and is not guessed",
    "give the market day: drop zone and time, in pandas `index.tz_localize(None).normalize()`",
)
NO_SYMBOL = Flaw(
    "rows have no usable symbol",
    "a bar belongs to a symbol, a printable text without blanks around it",
    "write the symbol into each of these rows, or delete them",
)
NOT_A_NUMBER = Flaw(
    "cells are not numbers",
    "prices are plain numbers with a decimal point and no separator of thousands",
    "correct these cells, or leave them empty where there is no bar",
)
NOT_POSITIVE = Flaw(
    "prices are zero or negative",
    "a return divides by the price before it; zero often stands for a missing bar",
    "correct them, or leave the cell empty (wide) or the row out (long) where there is no bar",
)
INFINITE = Flaw(
    "cells are infinite",
    "no price and no volume is infinite",
    "correct these cells, or leave them empty where there is no bar",
)
NEGATIVE_VOLUME = Flaw(
    "volumes are negative",
    "a volume counts what was traded",
    "correct these cells, or leave them empty",
)
NO_CLOSE = Flaw(
    "rows have no close",
    "in a long file a row is a bar, and a bar has a close (and an adj_close if the file has them)",
    "leave the row out on a day without a bar",
)
DUPLICATE = Flaw(
    "rows repeat a symbol and date",
    "a symbol has one bar a day; which of two is right cannot be known",
    "keep one row for each symbol and date",
)
UNSORTED = Flaw(
    "rows are dated before the row above them",
    "the dates of each symbol ascend; unsorted rows are often two files glued together",
    'sort the file, in pandas `df.sort_values(["symbol", "date"])` or `df.sort_index()`',
)
EMPTY_COLUMN = Flaw(
    "columns have no value at all",
    "a symbol without a bar, or a field without a value, was not delivered",
    "remove the column, or fetch its prices again",
)


@dataclass(slots=True)
class Flaws:
    """The flaws of one file, collected until all of it was looked at."""

    table: Table
    _places: dict[Flaw, list[str]] = field(default_factory=dict)

    def add(self, flaw: Flaw, places: Iterable[str]) -> None:
        """Remember where `flaw` was found."""
        found = list(places)
        if found:
            self._places.setdefault(flaw, []).extend(found)

    def refuse(self) -> None:
        """Raise if any flaw was found.

        Raises
        ------
        DataError
            With the count of each kind and its first places, one line for each kind.
        """
        if not self._places:
            return
        found = self._places.items()
        raise DataError(
            f"{self.table.label}: "
            + ", ".join(f"{len(places)} {flaw.what}" for flaw, places in found),
            where="\n".join(f"{flaw.what}: {_first(places)}" for flaw, places in found),
            why="\n".join(flaw.why for flaw, _ in found),
            fix="\n".join(flaw.fix for flaw, _ in found),
        )


def _first(places: list[str]) -> str:
    more = len(places) - SHOWN
    return "; ".join(places[:SHOWN]) + (f"; and {more} more" if more > 0 else "")


def days(table: Table, column: int, flaws: Flaws) -> DateArray:
    """Return a column as days; NaT where `flaws` got a new entry."""
    cells = table.columns[column]
    if isinstance(cells, list):
        return _days_of_texts(table, cells, flaws)
    if np.issubdtype(cells.dtype, np.datetime64):
        return _days_of_instants(table, cast("DateArray", cells), flaws)
    # A whole number could be seconds, days or 20200131: reading it as any of them is a guess.
    flaws.add(NOT_A_DATE, (f"{table.place(row)}: {_shown(cell)}" for row, cell in enumerate(cells)))
    return np.full(len(cells), _NOT_A_DAY)


def _days_of_texts(table: Table, texts: list[str | None], flaws: Flaws) -> DateArray:
    # A long file repeats each date for every symbol: each spelling is read once.
    read = {text: parse_day(text or "") for text in set(texts)}
    found = [read[text] for text in texts]
    for flaw in (NOT_A_DATE, NOT_MIDNIGHT):
        rows = [row for row, day in enumerate(found) if day is flaw]
        flaws.add(flaw, (f"{table.place(row)}: {texts[row] or ''!r}" for row in rows))
    return np.array(
        [None if isinstance(day, Flaw) else day for day in found], dtype="datetime64[D]"
    )


def parse_day(text: str) -> date | Flaw:
    """Return the day that a text cell means, or the flaw that makes it unusable.

    >>> parse_day("2020-01-31"), parse_day("2020-01-31T00:00:00Z")
    (datetime.date(2020, 1, 31), datetime.date(2020, 1, 31))
    """
    stripped = text.strip()
    try:
        if _DAY.fullmatch(stripped):
            return date.fromisoformat(stripped)
        if not _INSTANT.fullmatch(stripped):
            return NOT_A_DATE
        instant = datetime.fromisoformat(stripped)
        instant = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        return NOT_A_DATE
    midnight = not (instant.hour or instant.minute or instant.second or instant.microsecond)
    return instant.date() if midnight else NOT_MIDNIGHT


def _days_of_instants(table: Table, instants: DateArray, flaws: Flaws) -> DateArray:
    found: DateArray = instants.astype("datetime64[D]")
    absent, off = np.isnat(instants), found.astype(instants.dtype) != instants
    flaws.add(NOT_A_DATE, (f"{table.place(row)}: no date" for row in np.flatnonzero(absent)))
    flaws.add(
        NOT_MIDNIGHT,
        (f"{table.place(row)}: {instants[row]}" for row in np.flatnonzero(off & ~absent)),
    )
    return np.where(off, _NOT_A_DAY, found)


def numbers(table: Table, column: int, flaws: Flaws) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return a column as finite numbers, and which of its cells are empty.

    A number is NaN where the cell is empty or `flaws` got a new entry.
    """
    cells, name = table.columns[column], table.names[column]
    if isinstance(cells, list):
        read = [_number(text) for text in cells]
        rows = [row for row, number in enumerate(read) if number is None]
        flaws.add(NOT_A_NUMBER, (f"{table.place(row)}, {name}: {cells[row]!r}" for row in rows))
        empty = np.array([number is not None and np.isnan(number) for number in read])
        found = np.array(read, dtype=np.float64)
    elif np.issubdtype(cells.dtype, np.datetime64):
        places = (f"{table.place(row)}, {name}: {cell}" for row, cell in enumerate(cells))
        flaws.add(NOT_A_NUMBER, places)
        found, empty = np.full(len(cells), np.nan), np.zeros(len(cells), dtype=np.bool_)
    else:
        found = np.asarray(cells, dtype=np.float64)
        empty = np.isnan(found)
    infinite = np.isinf(found)
    flaws.add(INFINITE, (f"{table.place(row)}, {name}" for row in np.flatnonzero(infinite)))
    return np.where(infinite, np.nan, found), empty


def _number(text: str | None) -> float | None:
    """Return the number of a text cell, NaN for no value, None for anything else."""
    if text is None:
        return np.nan
    try:
        # float() reads digits of other scripts and 1_000 as well; neither is a price.
        if text.isascii() and "_" not in text:
            return float(text)
    except ValueError:
        pass
    return np.nan if text.strip().lower() in NO_VALUE else None


def texts(table: Table, column: int) -> list[str]:
    """Return a column as texts; a missing cell is empty."""
    cells = table.columns[column]
    if isinstance(cells, list):
        return ["" if text is None else text for text in cells]
    return [_shown(cell) for cell in cells]


def _shown(cell: object) -> str:
    """Return a number or instant as a reader would write it."""
    return f"{cell:g}" if isinstance(cell, float) else str(cell)

"""Values that the templates show: facts, tables, charts, verdicts.

Everything here is text that is escaped when it is shown, or a drawing made by `svg`. A value names
the query it came from; a row names its record.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markupsafe import Markup

    from warehouse.reports.evidence import RecordRef


class State(IntEnum):
    """A verdict; the order is that of showing, worst first."""

    FAIL = 0
    NONE = 1
    PASS = 2

    @property
    def css(self) -> str:
        """Class of the style sheet."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line of the verdict strip.

    Attributes
    ----------
    name : str
        What was judged.
    state : State
        `PASS`, `FAIL`, or `NONE` where nothing could be judged.
    reason : str
        One sentence with the numbers.
    query : str
        The query behind it; empty when the caller's verifier said so.
    section : str
        Anchor of the section with the detail.
    """

    name: str
    state: State
    reason: str
    query: str
    section: str


@dataclass(frozen=True, slots=True)
class Fact:
    """One number or text with its name, query and record."""

    name: str
    text: str
    query: str = ""
    ref: RecordRef | None = None
    code: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, its kind, and the heading above several columns.

    The kind is `num`, `text`, `date` or `code`.
    """

    label: str
    kind: str = "num"
    group: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a table: one text for each column, and the record behind all of them.

    Attributes
    ----------
    cells : tuple of str or RecordRef
        Words, or a record where a row rests on several.
    ref : RecordRef or None
    tone : str
        `fail`, `main` or nothing: a class of the row. What it says is also said in words.
    strip : Markup or None
        A drawing shown before the last cell.
    """

    cells: tuple[str | RecordRef, ...]
    ref: RecordRef | None = None
    tone: str = ""
    strip: Markup | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its query.

    Attributes
    ----------
    id : str
        Anchor.
    caption : str
    columns : tuple of Column
    lines : tuple of Line
    query : str
        Name of the query, for the section sign.
    also : tuple of str
        Further queries that rows came from.
    omitted : int
        Rows that the query found and the table does not show.
    empty : str
        What to say when there is no row.
    """

    id: str
    caption: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    query: str
    also: tuple[str, ...] = ()
    omitted: int = 0
    empty: str = "None."

    @property
    def cites(self) -> bool:
        """Whether any row names a record."""
        return any(line.ref for line in self.lines)

    @property
    def groups(self) -> tuple[tuple[str, int], ...]:
        """Headings above several columns with the number of columns, or nothing."""
        spans: list[tuple[str, int]] = []
        for column in self.columns:
            if spans and column.group and spans[-1][0] == column.group:
                spans[-1] = (column.group, spans[-1][1] + 1)
            else:
                spans.append((column.group, 1))
        return tuple(spans) if any(name for name, _ in spans) else ()


@dataclass(frozen=True, slots=True)
class Key:
    """One entry of the key below a chart: a class for its sample, and words."""

    css: str
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing with its key and the table of what it shows."""

    id: str
    caption: str
    drawing: Markup
    query: str
    table: Table
    keys: tuple[Key, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Small:
    """One of many small drawings: a name, one number, a drawing."""

    name: str
    text: str
    drawing: Markup
    ref: RecordRef


@dataclass(frozen=True, slots=True)
class Smalls:
    """The small drawings of one sleeve."""

    sleeve: str
    drawings: tuple[Small, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """A statement as it was run, with the digest of its result."""

    name: str
    sql: str
    rows: int
    sha256: str

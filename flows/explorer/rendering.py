"""Templates, addresses and tables: how a page is spelled.

Every text is escaped by the templates; addresses are built here and nowhere else, so that a text of
a record can become neither markup nor an address of another site.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias
from urllib.parse import quote, urlencode

import jinja2

from warehouse.reports.wording import ABSENT, count, decimal, plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Kind: TypeAlias = Literal["text", "number", "code"]
SHORT = 12


class Cell(NamedTuple):
    """One cell of a table: its text, and where it leads."""

    text: str
    href: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    title : str
        Its head.
    kind : {"text", "number", "code"}
        How it is set.
    href : str
        Where its head leads: the same table sorted by it; empty if it cannot be sorted.
    sorted : str
        `ascending`, `descending` or empty.
    """

    title: str
    kind: Kind = "text"
    href: str = ""
    sorted: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its caption; the first cell of each row is its head.

    Attributes
    ----------
    caption : str
        What it shows.
    columns : sequence of Column
        Its heads.
    rows : sequence of sequence of Cell
        As many cells in each as there are columns.
    empty : str
        What is said when there are no rows.
    note : str
        What is said below it.
    """

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    empty: str = "Nothing is recorded."
    note: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of a list of facts."""

    name: str
    cells: Sequence[Cell] = field(default_factory=tuple)


def address(path: str, values: Mapping[str, object] | None = None) -> str:
    """Return a path of this site with its query; values that are None or empty are left out."""
    named = {k: str(v) for k, v in (values or {}).items() if v not in (None, "")}
    return quote(path) + (f"?{urlencode(named)}" if named else "")


def record_link(digest: str, text: str = "") -> Cell:
    """Return a link to the record with that hash."""
    return Cell(text or digest[:SHORT], address(f"/record/{digest}"))


def fact(name: str, *values: object) -> Fact:
    """Return a line of facts from texts, numbers and cells."""
    return Fact(name, [each if isinstance(each, Cell) else Cell(shown(each)) for each in values])


def cells(values: Iterable[object]) -> list[Cell]:
    """Return plain cells, numbers as they are recorded."""
    return [each if isinstance(each, Cell) else Cell(shown(each)) for each in values]


def shown(value: object) -> str:
    """Return a recorded value as text: nothing is rounded, absence is a dash."""
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    return repr(value) if isinstance(value, float) else str(value)


def columns(*titles: str | tuple[str, Kind]) -> list[Column]:
    """Return columns from titles; a pair says how it is set."""
    return [Column(each) if isinstance(each, str) else Column(*each) for each in titles]


def style() -> bytes:
    """Return the sheet of the report followed by our own."""
    report = files("warehouse.reports").joinpath("templates", "style.css")
    own = files("flows.explorer").joinpath("templates", "explorer.css")
    return report.read_bytes() + b"\n" + own.read_bytes()


def render(template: str, values: Mapping[str, object]) -> str:
    """Return a page."""
    return _environment().get_template(template).render(values)


@cache
def _environment() -> jinja2.Environment:
    """Return the templates: every text is escaped, and a name that is missing raises."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("flows.explorer", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(count=count, decimal=decimal, shown=shown)
    environment.globals.update(address=address, plural=plural, short=SHORT)
    return environment

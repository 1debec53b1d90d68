"""A report as a list of sections, each a list of blocks: what every form of it is written from.

HTML, JSON and Markdown are spellings of the same blocks; none of them computes anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from warehouse.reports.page import Chart, Column, Line, Table
from warehouse.reports.sections.appendix import Appendix
from warehouse.reports.sections.check import Check

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from warehouse.reports.evidence import Answer, Evidence, Row
    from warehouse.reports.page import Fact, Verdict


@dataclass(frozen=True, slots=True)
class Prose:
    """One paragraph; `tone` is a class of the style sheet, such as `banner` or `none`."""

    text: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading within a section; `id` makes it a place to link to."""

    text: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Names with their values."""

    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The verdicts, worst first."""

    verdicts: tuple[Verdict, ...]


Block: TypeAlias = Prose | Heading | Facts | Table | Chart | Verdicts | Check | Appendix
"""What a section is made of."""


@dataclass(frozen=True, slots=True)
class Section:
    """A section: its anchor, its title and its blocks."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]


def kind_of(block: Block) -> str:
    """Return the name by which a template or a writer chooses how to spell a block."""
    return type(block).__name__.lower()


def tabulate(
    evidence: Evidence,
    answer: Answer,
    id_: str,
    caption: str,
    columns: Sequence[tuple[Column, Callable[[Row], str]]],
    *,
    empty: str,
    most: int = 100,
    tone: Callable[[Row], str] = lambda _row: "",
) -> Table:
    """Return the first `most` rows of an answer as a table; each row cites its record."""
    lines = tuple(
        Line(tuple(spell(row) for _, spell in columns), evidence.cite(row), tone(row))
        for row in list(answer)[:most]
    )
    return Table(
        id_,
        caption,
        tuple(column for column, _ in columns),
        lines,
        answer.name,
        omitted=len(answer) - len(lines),
        empty=empty,
    )


def tabulate_question(
    evidence: Evidence, number: int, id_: str, caption: str, *, empty: str, most: int = 50
) -> Table:
    """Return the first `most` rows of the answer to a question, every column as it is named."""
    answer = evidence.ask_question(number)
    columns = tuple(Column(name.replace("_", " "), "text") for name in answer.columns)
    lines = tuple(
        Line(tuple(row.plain(name) for name in answer.columns)) for row in list(answer)[:most]
    )
    omitted = len(answer) - len(lines)
    return Table(id_, caption, columns, lines, answer.name, omitted=omitted, empty=empty)

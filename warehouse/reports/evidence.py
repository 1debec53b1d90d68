"""Runs the queries of a report and remembers what each answered.

Every number of the page comes through `Evidence.ask`, so the appendix can print every statement as
it was run, with the digest of its whole result. Statements are text with literals in place, not
prepared ones: what is printed can be pasted into `assay sql` and gives the same rows.

Invariants
----------
1. Every statement orders its rows completely, and runs on one thread: the digest of a result is a
   function of the snapshot.
2. `Evidence.cited()` holds every record that `cite` named, each with the hash that the ledger has.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, NoReturn, TypeAlias

import duckdb

from ledger import canonical_digest
from warehouse.questions import find_question
from warehouse.reports.errors import CitedRecordDiffersError, UnexpectedAnswerError
from warehouse.reports.period import narrow
from warehouse.reports.traced import Origin, Real, Whole
from warehouse.reports.wording import ABSENT, count, significant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from warehouse.reports.period import Period

Value: TypeAlias = "str | int | float | bool | dt.date | dt.datetime | None"
"""What a column holds."""

_PARAMETER = re.compile(r"\$([a-z][a-z0-9_]*)")
SHORT_HASH = 12
"""Hex digits of a hash that are shown where there is little room."""


@dataclass(frozen=True, slots=True, order=True)
class RecordRef:
    """A record behind a number: its position in the ledger and its hash."""

    seq: int
    hash: str

    @property
    def short(self) -> str:
        """The first digits of the hash."""
        return self.hash[:SHORT_HASH]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of an answer, read by column name and type.

    Raises
    ------
    UnexpectedAnswerError
        By every reader: if there is no such column, or it holds another type.
    """

    query: str
    columns: dict[str, int]
    values: tuple[Value, ...]
    number: int = 0

    def text(self, name: str) -> str:
        """Return a text."""
        value = self._get(name)
        return value if isinstance(value, str) else self._refuse(name, "text", value)

    def count(self, name: str) -> int:
        """Return an integer."""
        value = self._get(name)
        if type(value) is not int:
            self._refuse(name, "an integer", value)
        return Whole(value, self._origin(name))

    def real(self, name: str) -> float:
        """Return a finite number."""
        value = self.maybe(name)
        return value if value is not None else self._refuse(name, "a number", value)

    def maybe(self, name: str) -> float | None:
        """Return a finite number, or `None` where it does not apply."""
        value = self._get(name)
        if value is None:
            return None
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
        ):
            return self._refuse(name, "a finite number", value)
        return Real(value, self._origin(name))

    def maybe_count(self, name: str) -> int | None:
        """Return an integer, or `None` where it does not apply."""
        return None if self._get(name) is None else self.count(name)

    def maybe_text(self, name: str) -> str | None:
        """Return a text, or `None` where it does not apply."""
        return None if self._get(name) is None else self.text(name)

    def day(self, name: str) -> dt.date:
        """Return a date."""
        value = self.maybe_day(name)
        return value if value is not None else self._refuse(name, "a date", value)

    def maybe_day(self, name: str) -> dt.date | None:
        """Return a date, or `None` where it does not apply."""
        value = self._get(name)
        if isinstance(value, dt.datetime):
            return value.date()
        if value is None or isinstance(value, dt.date):
            return value
        return self._refuse(name, "a date", value)

    def moment(self, name: str) -> str:
        """Return a time (UTC) as text to the second, or an empty text."""
        value = self._get(name)
        if value is None:
            return ""
        if not isinstance(value, dt.datetime):
            return self._refuse(name, "a time", value)
        return value.strftime("%Y-%m-%d %H:%M:%SZ")

    def flag(self, name: str) -> bool:
        """Return a truth value."""
        value = self._get(name)
        return value if isinstance(value, bool) else self._refuse(name, "a truth value", value)

    def maybe_flag(self, name: str) -> bool | None:
        """Return a truth value, or `None` where it does not apply."""
        return None if self._get(name) is None else self.flag(name)

    def plain(self, name: str) -> str:
        """Return whatever stands there as text; a dash where nothing does."""
        value = self._get(name)
        if value is None:
            return ABSENT
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, int):
            return count(self.count(name))
        if isinstance(value, float):
            return significant(self.maybe(name))
        return str(_plain(value))

    def _origin(self, name: str) -> Origin:
        return Origin(self.query, self.number, self.columns[name])

    def _get(self, name: str) -> Value:
        if name not in self.columns:
            self._refuse(name, "a column", None)
        return self.values[self.columns[name]]

    def _refuse(self, name: str, wanted: str, found: Value) -> NoReturn:
        raise UnexpectedAnswerError(
            f"expected {wanted} in `{name}`, found {found!r}",
            where=f"query {self.query} of the report",
            why="the report reads the marts of the version it came with",
            fix="build the warehouse again: `assay build`",
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """A statement and its whole result.

    Attributes
    ----------
    name : str
        Name of the query, also its anchor on the page.
    sql : str
        The statement exactly as it was run.
    columns : tuple of str
    values : tuple of tuple
        The rows.
    """

    name: str
    sql: str
    columns: tuple[str, ...]
    values: tuple[tuple[Value, ...], ...]

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows."""
        places = {name: i for i, name in enumerate(self.columns)}
        return (Row(self.name, places, row, i) for i, row in enumerate(self.values))

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.values)

    @property
    def first(self) -> Row | None:
        """The first row, if there is one."""
        return next(iter(self), None)

    @property
    def sha256(self) -> str:
        """Digest of the canonical JSON of `{"columns": [..], "rows": [[..], ..]}`.

        Dates and times (UTC) are text as `assay sql --json` spells them.
        """
        return canonical_digest(self.to_payload())

    def to_payload(self) -> dict[str, object]:
        """Return columns and rows as `sha256` covers them."""
        rows = [[_plain(value) for value in row] for row in self.values]
        return {"columns": list(self.columns), "rows": rows}


@dataclass(frozen=True, slots=True)
class HeldNote:
    """A signed checkpoint: how many records it covers, and the note."""

    size: int
    text: str


class Evidence:
    """The queries of one report against one snapshot.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        A read-only connection to a published snapshot.
    period : Period, optional
        Days that decisions and returns are limited to; all of them if absent.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, period: Period | None = None) -> None:
        self.period = period
        self._connection = connection
        self._answers: dict[str, Answer] = {}
        self._cited: set[RecordRef] = set()

    @property
    def answers(self) -> tuple[Answer, ...]:
        """Every answer so far, in the order of asking."""
        return tuple(self._answers.values())

    def ask(self, name: str, **params: str | int | None) -> Answer:
        """Run the query `name` with `$param` replaced by literals, once in the life of a report.

        Raises
        ------
        UnexpectedAnswerError
            If the statement does not fit the snapshot.
        """
        if name not in self._answers:
            self._keep(name, bind(read_query(name), **params))
        return self._answers[name]

    def ask_question(self, number: int) -> Answer:
        """Answer an auditor's question with the defaults of its parameters.

        Raises
        ------
        UnexpectedAnswerError
            If the statement does not fit the snapshot.
        """
        name = f"q{number:02d}"
        if name not in self._answers:
            question = find_question(number)
            unset = {parameter.name: None for parameter in question.parameters}
            self._keep(name, bind(question.sql.rstrip(), **unset))
        return self._answers[name]

    def _keep(self, name: str, sql: str) -> None:
        sql = sql if self.period is None else narrow(sql, self.period)
        self._answers[name] = Answer(name, sql, *self._run(name, sql))

    def cite(self, row: Row, seq: str = "record_seq", hash_: str = "record_hash") -> RecordRef:
        """Return the record behind a row, to be shown beside its numbers."""
        ref = RecordRef(int(row.count(seq)), row.text(hash_))
        self._cited.add(ref)
        return ref

    def cited(self) -> Answer:
        """Return the cited records as the ledger holds them.

        Raises
        ------
        CitedRecordDiffersError
            If a record was cited that the ledger does not hold with that hash.
        """
        wanted = ", ".join(str(seq) for seq in sorted({ref.seq for ref in self._cited}))
        sql = read_query("cited_records").replace("$seqs", wanted or "-1")
        answer = Answer("cited_records", sql, *self._run("cited_records", sql))
        held = {RecordRef(row.count("seq"), row.text("hash")) for row in answer}
        for ref in sorted(self._cited - held):
            raise CitedRecordDiffersError(
                f"record {ref.seq} with hash {ref.short} is cited, the ledger has another",
                where="raw.records of the snapshot",
                why="every number of a report names the record it was derived from",
                fix="run `assay verify`, then rebuild the warehouse with `assay build --rebuild`",
            )
        self._answers[answer.name] = answer
        return answer

    def held_note(self) -> HeldNote | None:
        """Return the newest signed checkpoint at or before the head, or `None` without one."""
        row = self._connection.execute(read_query("held_note")).fetchone()
        return None if row is None else HeldNote(int(row[0]), str(row[3]))

    def hashes_below(self, size: int) -> list[str]:
        """Return the hashes of the first `size` records."""
        sql = bind(read_query("hashes_below"), size=size)
        return [str(hash_) for (hash_,) in self._connection.execute(sql).fetchall()]

    def _run(self, name: str, sql: str) -> tuple[tuple[str, ...], tuple[tuple[Value, ...], ...]]:
        try:
            cursor = self._connection.execute(sql)
        except duckdb.Error as error:
            raise UnexpectedAnswerError(
                str(error).partition("\n")[0],
                where=f"query {name} of the report",
                why="the report reads the marts of the version it came with",
                fix="build the warehouse again: `assay build`",
            ) from error
        columns = tuple(str(column[0]) for column in cursor.description or ())
        return columns, tuple(cursor.fetchall())


def read_query(name: str) -> str:
    """Return the text of a query that comes with the reports."""
    place = files("warehouse.reports").joinpath("queries", f"{name}.sql")
    return place.read_text(encoding="utf-8").rstrip()


def bind(sql: str, **params: str | int | None) -> str:
    """Return `sql` with each `$param` replaced by a SQL literal.

    A dollar sign before anything but a small letter stays: it begins a JSON path, or ends a
    pattern.

    Raises
    ------
    KeyError
        If the statement has a parameter that is not given.
    """
    return _PARAMETER.sub(lambda found: literal(params[found[1]]), sql)


def literal(value: str | int | None) -> str:
    """Return `value` as a SQL literal; a quote within a text is doubled."""
    if value is None:
        return "null"
    if isinstance(value, int):
        return str(value)
    return "'" + value.replace("'", "''") + "'"


def _plain(value: Value) -> str | int | float | bool | None:
    if isinstance(value, dt.datetime):
        return value.isoformat(timespec="microseconds") + "Z"
    return value.isoformat() if isinstance(value, dt.date) else value

"""Which run the report is about, and which of its books is the main one."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from warehouse.reports import wording
from warehouse.reports.errors import NothingToReportError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warehouse.reports.evidence import Evidence, Row

_CHECKPOINT_LINES = 3
META = "meta"
"""Name of the sleeve that combines the others."""


@dataclass(frozen=True, slots=True)
class Book:
    """A sleeve, and the engine and risk profile that were asked for."""

    sleeve: str
    engine: str
    risk_profile: str

    @classmethod
    def of(cls, row: Row) -> Book:
        """Return the book that a row is about."""
        return cls(row.text("sleeve"), row.text("engine"), row.text("risk_profile"))

    @property
    def cell(self) -> str:
        """Engine and risk profile, as words."""
        return f"{self.engine} · {wording.words(self.risk_profile)}"

    @property
    def name(self) -> str:
        """All three, as words."""
        return f"{self.sleeve} · {self.cell}"


@dataclass(frozen=True, slots=True)
class Verified:
    """What the caller knows of the ledger and the snapshot does not.

    Attributes
    ----------
    checkpoint_lines : tuple of str
        Origin, size and root (base64) of a signed checkpoint; empty when there is none.
    key_id : str
        Id of the key that signed it.
    origin : str
        Name of the ledger.
    verification : mapping of str to str
        What the verifier found: name -> `PASS`, `FAIL` or `NONE`, with a reason after a colon.
    vkey : str
        The key itself, by which the page checks the signature; empty where it is not known.
    """

    checkpoint_lines: tuple[str, ...]
    key_id: str
    origin: str
    verification: Mapping[str, str]
    vkey: str = ""

    @property
    def size(self) -> int | None:
        """Number of records that the checkpoint covers; `None` without one."""
        lines = self.checkpoint_lines
        return int(lines[1]) if len(lines) >= _CHECKPOINT_LINES else None

    @property
    def root(self) -> str:
        """Root of the checkpoint in hex, as the marts have it; empty without one."""
        return "" if self.size is None else base64.b64decode(self.checkpoint_lines[2]).hex()


@dataclass(frozen=True, slots=True)
class Subject:
    """The run of the report.

    Attributes
    ----------
    run : Row
        Its row of the query `run`.
    books : tuple of Book
        Every measured book, in the order of the ledger.
    main : Book or None
        The meta-portfolio if there is one, else the first book; `None` when none was measured.
    periods_per_year : int
        Of the main book.
    """

    run: Row
    books: tuple[Book, ...]
    main: Book | None
    periods_per_year: int

    @property
    def run_id(self) -> str:
        """Id of the run."""
        return self.run.text("run_id")

    @property
    def is_combined(self) -> bool:
        """Whether the main book combines sleeves."""
        return self.main is not None and self.main.sleeve == META

    @property
    def sleeves(self) -> tuple[str, ...]:
        """Sleeves in the order of the ledger; as named by the opening when none was measured."""
        measured = tuple(dict.fromkeys(book.sleeve for book in self.books))
        return measured or tuple(str(name) for name in json.loads(self.run.text("sleeves")))

    def place(self, sleeve: str) -> tuple[int, str]:
        """Return where a sleeve stands in the order of the ledger, to sort by."""
        known = self.sleeves
        return (known.index(sleeve) if sleeve in known else len(known), sleeve)


def choose_subject(evidence: Evidence, run_id: str | None) -> Subject:
    """Return the run named, or the newest closed backtest run.

    Raises
    ------
    NothingToReportError
        If the snapshot has no such run.
    """
    # Asked in any case: the page of a run is the same whether the run was named or not.
    newest = evidence.ask("newest_run").first
    if run_id is None:
        run_id = newest.text("run_id") if newest else ""
    run = evidence.ask("run", run_id=run_id).first
    if run is None:
        raise NothingToReportError(
            f"expected the run {run_id}, found none" if run_id else "no backtest run has closed",
            where="meta.dim_runs of the snapshot",
            why="a report is about one recorded run",
            fix="`assay log` lists the runs; build the warehouse after a run with `assay build`",
        )
    metrics = list(evidence.ask("metrics", run_id=run_id))
    books = tuple(Book.of(row) for row in metrics)
    main = next((i for i, book in enumerate(books) if book.sleeve == META), 0)
    if not books:
        return Subject(run, (), None, 0)
    return Subject(run, books, books[main], metrics[main].count("periods_per_year"))

"""What a page is given: the request, the state of the ledger, and ways to ask.

A page is a function of a `View` that returns a response. It reads one state of the ledger and one
snapshot, whatever is appended or published while it is made.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Self

import duckdb
from starlette.responses import HTMLResponse, RedirectResponse

from flows.explorer.errors import RequestError, missing
from flows.explorer.rendering import address, render
from ledger import BlobStore, is_digest
from warehouse.errors import SnapshotMissingError
from warehouse.query import Limits, answer_statement, find_snapshot, open_snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

    from flows.explorer.index import Entry, LedgerIndex
    from flows.explorer.sandbox import Sandbox
    from flows.explorer.standing import SnapshotStanding, Standing, Watch
    from flows.settings import Workspace
    from replay.difference import Difference

Row = dict[str, object]
MOST = 100_000
PAGE = 100
"""Rows of a page of a long table."""

NAVIGATION = (
    ("home", "/", "Home"),
    ("runs", "/runs", "Runs"),
    ("diff", "/diff", "Diff"),
    ("health", "/health", "Health"),
    ("lineage", "/lineage", "Lineage"),
    ("ask", "/ask", "Ask and SQL"),
)


@dataclass(frozen=True, slots=True)
class Site:
    """What all requests share.

    Attributes
    ----------
    workspace : Workspace
        What is shown.
    watch : Watch
        Verdict and index.
    sandbox : Sandbox
        Where statements of a reader run.
    compared : dict
        The last comparisons of runs and decisions.
    """

    workspace: Workspace
    watch: Watch
    sandbox: Sandbox
    compared: dict[tuple[str, ...], Difference] = field(default_factory=dict)


@dataclass
class View:
    """One request; a context manager that closes what was opened for it.

    Attributes
    ----------
    site : Site
        What all requests share.
    request : Request
        What was asked.
    """

    site: Site
    request: Request
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        """Look at the ledger before anything is answered."""
        self.standing, self.index = self.site.watch.look()
        return self

    def __exit__(self, *_exception: object) -> None:
        """Close the snapshot."""
        self._stack.close()

    standing: Standing = field(init=False)
    index: LedgerIndex = field(init=False)

    @cached_property
    def snapshot(self) -> SnapshotStanding:
        """How the published snapshot stands to the ledger."""
        return self.site.watch.snapshot(self.index)

    @cached_property
    def blobs(self) -> BlobStore:
        """The blobs; each is checked against its digest when it is read."""
        return BlobStore(self.site.workspace.blobs)

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        path = find_snapshot(self.site.workspace.root)
        try:
            return self._stack.enter_context(open_snapshot(path))
        except duckdb.Error as error:
            raise SnapshotMissingError(
                "the snapshot cannot be read",
                where=path.name,
                why=str(error).partition("\n")[0],
                fix="run `assay build`; a snapshot can always be made again from the ledger",
            ) from error

    @property
    def place(self) -> Path:
        """The published snapshot, which can be opened.

        Raises
        ------
        SnapshotMissingError
            If there is none, or it cannot be read.
        """
        assert self._connection  # noqa: S101 - opened
        return find_snapshot(self.site.workspace.root)

    def ask(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[Row]:
        """Return the rows of a statement of ours over the published snapshot.

        Raises
        ------
        SnapshotMissingError
            If nothing is published.
        """
        found = answer_statement(self._connection, sql, parameters or {}, Limits(rows=MOST))
        return [dict(zip(found.columns, row, strict=True)) for row in found.rows]

    def text(self, name: str, default: str = "") -> str:
        """Return a value of the query, without spaces around it."""
        return self.request.query_params.get(name, default).strip()

    def number(self, name: str, default: int, least: int = 1, most: int = 10_000_000) -> int:
        """Return a whole number of the query.

        Raises
        ------
        RequestError
            If it is none, or out of bounds.
        """
        text = self.text(name) or str(default)
        if not (text.isascii() and text.isdecimal() and len(text) < 9):  # noqa: PLR2004 - digits
            raise self.refused(f"{name} is {text!r}", f"a whole number from {least} to {most}")
        if not least <= int(text) <= most:
            raise self.refused(f"{name} is {text}", f"a whole number from {least} to {most}")
        return int(text)

    def choice(self, name: str, known: tuple[str, ...], default: str) -> str:
        """Return a value of the query that is one of those known."""
        text = self.text(name) or default
        if text not in known:
            raise self.refused(f"{name} is {text!r}", ", ".join(known))
        return text

    def refused(self, what: str, expected: str) -> RequestError:
        """Return the error for a query that cannot be read."""
        return RequestError(
            f"{what}; expected {expected}",
            where=self.request.url.path,
            why="a page is asked with values that it names",
            fix="correct the address, or go on from the home page",
        )

    def entry(self, name: str = "hash") -> Entry:
        """Return the record that the path names by its full hash.

        Raises
        ------
        RequestError
            If it is no hash, or the ledger has no such record.
        """
        digest = str(self.request.path_params[name])
        if not is_digest(digest):
            raise self.refused(f"{digest[:80]!r} is no hash", "64 hexadecimal characters")
        found = self.index.get(digest)
        if found is None:
            raise missing(
                f"the ledger has no record with the hash {digest}",
                self.request.url.path,
                "search for its id or seq; `assay log` lists records",
            )
        return found

    def page(self, template: str, here: str, title: str, **values: object) -> Response:
        """Return a page in the frame that all share."""
        frame = {
            "here": here,
            "title": title,
            "navigation": NAVIGATION,
            "standing": self.standing,
            "snapshot": self.snapshot,
        }
        return HTMLResponse(render(template, frame | values))

    def moved(self, path: str) -> Response:
        """Return a redirection within this site."""
        return RedirectResponse(address(path), status_code=303)

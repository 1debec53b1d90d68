"""Runs: every run the ledger opened, with how it ended; sorted by following a link."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, cast

from flows.explorer.paging import Pager
from flows.explorer.rendering import Cell, Column, Table, address, cells, columns

if TYPE_CHECKING:
    from starlette.responses import Response

    from flows.explorer.rendering import Kind
    from flows.explorer.view import View
    from ledger import Record
    from pipeline.values import Payload

COLUMNS: Final[tuple[str | tuple[str, Kind], ...]] = (
    "run",
    "kind",
    "profile",
    "opened",
    "status",
    ("intents", "number"),
    ("outcomes", "number"),
    ("seconds", "number"),
    "actor",
)


@dataclass(frozen=True, slots=True)
class Run:
    """A run from its opening record and, if it ended, its closing one.

    Attributes
    ----------
    opening : Record
        What it stood on.
    closing : Record or None
        How it ended; None while it is open.
    """

    opening: Record
    closing: Record | None

    @property
    def status(self) -> str:
        """How it ended; `open` until then."""
        return "open" if self.closing is None else self.closing.status

    @property
    def seconds(self) -> float | None:
        """From opening to closing, by the writer's clock."""
        if self.closing is None:
            return None
        ended = datetime.fromisoformat(self.closing.ts)
        return (ended - datetime.fromisoformat(self.opening.ts)).total_seconds()

    def counted(self, name: str) -> int | None:
        """Return `intents` or `outcomes` as the closing record states them."""
        return None if self.closing is None else cast("int | None", self.closing.data.get(name))


def read_runs(view: View) -> list[Run]:
    """Return all runs in the order they were opened."""
    return [read_run(view, entry.run_id) for entry in view.index.runs()]


def read_run(view: View, run_id: str) -> Run:
    """Return one run from the records of the ledger."""
    opening = next(each for each in view.index.runs() if each.run_id == run_id)
    closing = view.index.closing(run_id)
    return Run(view.index.read(opening), None if closing is None else view.index.read(closing))


def run_row(run: Run) -> list[Cell]:
    """Return the cells of a run under `COLUMNS`."""
    opening, data = run.opening, cast("Payload", run.opening.data)
    seconds = None if run.seconds is None else round(run.seconds, 3)
    return cells(
        (
            Cell(opening.run_id, address(f"/run/{opening.hash}")),
            data.get("kind"),
            data.get("profile"),
            opening.ts[:19],
            run.status,
            run.counted("intents"),
            run.counted("outcomes"),
            seconds,
            opening.actor,
        )
    )


def runs(view: View) -> Response:
    """Return the page of all runs."""
    names = tuple(each if isinstance(each, str) else each[0] for each in COLUMNS)
    by = view.choice("sort", names, "opened")
    order = view.choice("order", ("ascending", "descending"), "descending")
    found = read_runs(view)
    kinds = sorted({str(run.opening.data.get("kind")) for run in found})
    kind = view.choice("kind", ("", *kinds), "")
    rows = [run_row(run) for run in found if kind in ("", str(run.opening.data.get("kind")))]
    rows.sort(key=lambda row: _key(row[names.index(by)].text), reverse=order == "descending")
    pager = Pager.of(view, "/runs", len(rows), {"sort": by, "order": order, "kind": kind})
    heads = [_head(each, by, order, kind) for each in COLUMNS]
    table = Table("Runs of the ledger", heads, rows[pager.start : pager.stop], "No run yet.")
    return view.page(
        "runs.html", "runs", "Runs", table=table, pager=pager, kinds=["", *kinds], kind=kind
    )


def _head(column: str | tuple[str, Kind], by: str, order: str, kind: str) -> Column:
    name, set_as = columns(column)[0].title, columns(column)[0].kind
    other = "descending" if by == name and order == "ascending" else "ascending"
    href = address("/runs", {"sort": name, "order": other, "kind": kind})
    return Column(name, set_as, href, order if by == name else "")


def _key(text: str) -> tuple[int, float, str]:
    """Return what sorts numbers by value and before texts."""
    try:
        return (0, float(text), "")
    except ValueError:
        return (1, 0.0, text)

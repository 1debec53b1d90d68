"""Home: does the ledger hold, is the snapshot of it, what ran last, is anything halted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.explorer.rendering import Cell, Table, cells, columns, fact, record_link
from flows.explorer.runs import COLUMNS, read_runs, run_row

if TYPE_CHECKING:
    from starlette.responses import Response

    from flows.explorer.rendering import Fact
    from flows.explorer.view import View

LAST = 10


def home(view: View) -> Response:
    """Return the first page."""
    runs = read_runs(view)[-LAST:][::-1]
    last = Table("Last runs", columns(*COLUMNS), [run_row(run) for run in runs], "No run yet.")
    halts = Table(
        "Halts in force",
        columns("by", "since", "record", "reason"),
        [
            cells((halt.by, halt.ts[:19], record_link(halt.hash, str(halt.seq)), halt.reason))
            for halt in view.standing.halts
        ],
        "None: live runs are not halted.",
    )
    found = Table(
        "Findings of the verification",
        columns("finding"),
        [cells((text,)) for text in view.standing.why],
        "None.",
    )
    return view.page(
        "home.html",
        "home",
        "Home",
        facts=_facts(view),
        tables=[found, halts, last],
    )


def _facts(view: View) -> list[Fact]:
    standing, snapshot = view.standing, view.snapshot
    size = standing.checkpoint_size
    uncovered = standing.count - (size or 0)
    head = record_link(standing.head, standing.head) if view.index.get(standing.head) else "none"
    facts = [
        fact("Ledger", f"{standing.state}, trust: {standing.trust}"),
        fact("Records", standing.count),
        fact("Head", head),
        fact("Signed checkpoint", "none" if size is None else f"over {size} records"),
        fact("Not under it yet", uncovered),
        fact("Verified", f"{standing.verified_at:%Y-%m-%d %H:%M:%S} UTC, fast level"),
    ]
    if snapshot.head is None:
        return [*facts, fact("Snapshot", f"none, {snapshot.why}: run `assay build`")]
    through = Cell(snapshot.head.through_hash)
    if snapshot.same:
        through = record_link(snapshot.head.through_hash, snapshot.head.through_hash)
    said = {
        "PASS": "stands on the head of the ledger (records of builds left out)",
        "BEHIND": f"{snapshot.behind} records less than the ledger: run `assay build`",
        "FAIL": snapshot.why,
    }[snapshot.state]
    return [
        *facts,
        fact("Snapshot", snapshot.path),
        fact("Snapshot through", f"record {snapshot.head.through_seq},", through),
        fact("Snapshot and ledger", said),
    ]

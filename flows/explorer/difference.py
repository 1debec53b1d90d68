"""Diff: two runs or two decisions, causes before consequences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.explorer.errors import missing
from flows.explorer.evidence import history_of, history_of_runs
from flows.explorer.rendering import Table, cells, columns, shown
from replay.difference import ASPECTS, compare_decisions, compare_runs

if TYPE_CHECKING:
    from starlette.responses import Response

    from flows.explorer.index import Entry
    from flows.explorer.view import View
    from replay.difference import Difference

LAST = 200
KEPT = 8
"""Comparisons kept: two runs of ten thousand decisions take seconds."""


def difference(view: View) -> Response:
    """Return the form, and what differs if two things are named."""
    kind = view.choice("kind", ("run", "decision"), "run")
    a, b = view.text("a"), view.text("b")
    found = _compare(view, kind, a, b) if a and b else None
    return view.page(
        "diff.html",
        "diff",
        "Diff",
        kind=kind,
        a=a,
        b=b,
        runs=[entry.run_id for entry in view.index.runs()[-LAST:]][::-1],
        found=found,
        counts=None if found is None else _counts(found),
        changes=None if found is None else _changes(found),
    )


def _compare(view: View, kind: str, a: str, b: str) -> Difference:
    chosen = tuple(_run(view, each) if kind == "run" else _decision(view, each) for each in (a, b))
    key = (kind, *chosen, view.standing.head, view.standing.state)
    kept = view.site.compared
    if key not in kept:
        while len(kept) >= KEPT:
            kept.pop(next(iter(kept)), None)
        kept[key] = _compared(view, kind, *chosen)
    return kept[key]


def _compared(view: View, kind: str, a: str, b: str) -> Difference:
    if kind == "run":
        return compare_runs(history_of_runs(view, frozenset((a, b))), a, b)
    return compare_decisions(history_of(view, _entries(view, a, b)), a, b)


def _entries(view: View, *ids: str) -> list[Entry]:
    """Return the records of decisions and the openings of their runs."""
    found = [entry for id_ in ids for entry in view.index.named(id_).values()]
    runs = {entry.run_id for entry in found}
    return [*found, *(entry for entry in view.index.runs() if entry.run_id in runs)]


def _run(view: View, text: str) -> str:
    ids = [entry.run_id for entry in view.index.runs()]
    return _only(text, "runs", [text] if text in ids else [each for each in ids if text in each])


def _decision(view: View, text: str) -> str:
    if "intent" in view.index.named(text):
        return text
    entries = view.index.find(text)
    ids = {entry.id for entry in entries if "intent" in view.index.named(entry.id)}
    return _only(text, "decisions", sorted(ids))


def _only(text: str, what: str, found: list[str]) -> str:
    if len(found) == 1:
        return found[0]
    raise missing(
        f"{len(found)} {what} match {text[:80]!r}, expected one",
        "/diff",
        "name one by its id, or by a part that no other has",
    )


def _counts(found: Difference) -> Table:
    rows = [cells((name, count)) for name, count in found.counts().items()]
    return Table("Changes by aspect", columns("aspect", ("changes", "number")), rows)


def _changes(found: Difference) -> Table:
    heads = columns("aspect", "where", ("a", "code"), ("b", "code"), ("times", "number"))
    rows = [
        cells((each.aspect, each.where, shown(each.a), shown(each.b), each.count))
        for each in found.changes
    ]
    return Table("What differs, causes first", heads, rows, f"{', '.join(ASPECTS)} are equal.")

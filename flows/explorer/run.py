"""Run: what it stood on, what its stages decided, its windows, its manifest, its decisions."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, cast

from flows.explorer.drawing import Window, window_rows
from flows.explorer.errors import missing
from flows.explorer.paging import Pager
from flows.explorer.rendering import (
    Cell,
    Table,
    address,
    cells,
    columns,
    fact,
    record_link,
    shown,
)
from flows.explorer.runs import read_run
from flows.explorer.values import leaves
from ledger import LedgerError, is_digest, loads
from pipeline.config import RunProfile
from warehouse.errors import SnapshotMissingError

if TYPE_CHECKING:
    import datetime as dt

    from markupsafe import Markup
    from starlette.responses import Response

    from flows.explorer.index import Entry
    from flows.explorer.rendering import Fact
    from flows.explorer.runs import Run
    from flows.explorer.view import View
    from pipeline.values import Payload

_WINDOWS = """
select distinct coalesce(sleeve, '') as row, test_first_date as first, test_last_date as last,
  min(coalesce(outcome_status, 'open')) filter (coalesce(outcome_status, 'open') <> 'ok')
    over (partition by sleeve, window_ordinal) as failed
from health.fct_intents
where run_id = $run_id and test_first_date is not null and not is_superseded
order by 1, 2
"""


def run(view: View) -> Response:
    """Return the page of one run."""
    entry = view.entry()
    if entry.type != "run":
        raise missing(
            f"record {entry.seq} opens no run", view.request.url.path, "choose one on /runs"
        )
    found = read_run(view, entry.run_id)
    ids = _decisions(view, entry.run_id)
    steps = tuple(dict.fromkeys(each.step for each in ids))
    step = view.choice("step", ("", *steps), "")
    chosen = [each for each in ids if step in ("", each.step)]
    path = f"/run/{entry.hash}"
    pager = Pager.of(view, path, len(chosen), {"step": step})
    picture, without = _timeline(view, entry.run_id)
    return view.page(
        "run.html",
        "runs",
        f"Run {entry.run_id}",
        run_id=entry.run_id,
        facts=_facts(found),
        stages=_stages(view, entry.run_id),
        inputs=_inputs(found),
        environment=_environment(found),
        manifest=_manifest(view, found),
        picture=picture,
        without=without,
        path=path,
        step=step,
        steps=("", *steps),
        decisions=_table(view, chosen[pager.start : pager.stop]),
        pager=pager,
    )


def _decisions(view: View, run_id: str) -> list[Entry]:
    return [each for each in view.index.of_run(run_id) if each.type == "intent"]


def _facts(found: Run) -> list[Fact]:
    opening, closing = found.opening, found.closing
    data = cast("Payload", opening.data)
    facts = [
        fact("Kind", data.get("kind")),
        fact("Profile", data.get("profile")),
        fact("Opened", opening.ts, record_link(opening.hash)),
        fact("Actor, as claimed", opening.actor),
        fact("Seed", data.get("seed")),
        fact("Status", found.status),
    ]
    if closing is None:
        return facts
    facts.append(fact("Closed", closing.ts, record_link(closing.hash)))
    error = cast("Payload | None", closing.data.get("error"))
    if error:
        facts += [fact(f"Error, {name}", error.get(name)) for name in ("what", "where", "fix")]
    return facts


def _stages(view: View, run_id: str) -> Table:
    counts: dict[str, Counter[str]] = {}
    for each in view.index.of_run(run_id):
        if each.type in ("intent", "outcome"):
            counts.setdefault(each.step, Counter())[each.status or "intents"] += 1
    rows = []
    for step, found in counts.items():
        ended = sum(found.values()) - found["intents"]
        failed = ended - found["ok"]
        rows.append(cells((step, found["intents"], found["ok"], failed, found["intents"] - ended)))
    heads = columns(
        "stage",
        ("intents", "number"),
        ("ok", "number"),
        ("other end", "number"),
        ("open", "number"),
    )
    return Table("Stages", heads, rows, "The run decided nothing.")


def _inputs(found: Run) -> Table:
    rows = [cells((name, str(digest))) for name, digest in sorted(found.opening.inputs.items())]
    return Table("Inputs by digest", columns("input", ("SHA-256", "code")), rows)


def _environment(found: Run) -> Table:
    environment = leaves(found.opening.data.get("environment", {}))
    rows = [cells((name, shown(value))) for name, value in environment]
    return Table("Environment", columns("field", ("recorded", "code")), rows)


def _manifest(view: View, found: Run) -> Table:
    """Return the resolved manifest, each value with whether it is the default of this version."""
    heads = columns("key", ("value", "code"), "origin")
    digest = found.opening.inputs.get("manifest")
    if digest is None or not is_digest(digest):
        return Table("Manifest", heads, [], "The run has none: it decides nothing.")
    try:
        document = cast("Payload", loads(view.blobs.get(digest)))
    except LedgerError as error:
        return Table("Manifest", heads, [], f"It cannot be read: {error.what}.")
    usual = dict(leaves(RunProfile().model_dump(mode="json")))
    rows = [
        cells((name, shown(value), _origin(name, value, usual)))
        for name, value in leaves(document.get("resolved", document))
    ]
    note = (
        "The record holds the resolved values. Origin compares them with the defaults of the "
        "version that serves this page; which layer set them, `assay config show --origin` says."
    )
    return Table(f"Manifest {digest}", heads, rows, note=note)


def _origin(name: str, value: object, usual: dict[str, object]) -> str:
    return "default" if name in usual and usual[name] == value else "set"


def _timeline(view: View, run_id: str) -> tuple[Markup | None, str]:
    """Return the picture of the windows, or why there is none."""
    try:
        rows = view.ask(_WINDOWS, {"run_id": run_id})
    except SnapshotMissingError as error:
        return None, f"{error.what}: {error.fix}."
    windows = [
        Window(
            str(row["row"]),
            cast("dt.date", row["first"]),
            cast("dt.date", row["last"]),
            str(row["failed"] or "ok"),
        )
        for row in rows
    ]
    if not windows:
        return None, "The snapshot has no window of this run."
    return window_rows(windows), ""


def _table(view: View, entries: list[Entry]) -> Table:
    rows = []
    for entry in entries:
        outcome = view.index.named(entry.id).get("outcome")
        rows.append(
            cells(
                (
                    Cell(entry.id, address(f"/decision/{entry.hash}")),
                    entry.step,
                    "open" if outcome is None else outcome.status,
                    entry.seq,
                    "" if outcome is None else outcome.seq,
                )
            )
        )
    heads = columns("decision", "step", "status", ("intent", "number"), ("outcome", "number"))
    return Table("Decisions of the run", heads, rows, "None of this step.")

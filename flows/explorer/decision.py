"""Decision: what was decided, against what was held, within which limits, on what, with proof."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, cast

from flows.explorer.drawing import Bar, weight_bars
from flows.explorer.errors import missing
from flows.explorer.evidence import (
    MOST_STEPS,
    read_decision,
    upstream,
    weights_before,
    weights_of,
)
from flows.explorer.rendering import Cell, Table, address, cells, columns, fact, record_link
from flows.explorer.values import as_text, document, leaves

if TYPE_CHECKING:
    from markupsafe import Markup
    from starlette.responses import Response

    from flows.explorer.evidence import Shown
    from flows.explorer.rendering import Fact
    from flows.explorer.view import View
    from ledger import Record
    from pipeline.values import Payload

_SOLVER = ("status", "objective", "iterations", "requested", "actual", "adaptive", "caps", "cash")


def decision(view: View) -> Response:
    """Return the page of one decision, named by the hash of its intent or outcome."""
    entry = view.entry()
    intent = view.index.named(entry.id).get("intent")
    if intent is None:
        raise missing(
            f"record {entry.seq} is no decision", view.request.url.path, "find one from its run"
        )
    if intent.hash != entry.hash:
        return view.moved(f"/decision/{intent.hash}")
    shown = read_decision(view, entry.id)
    weights, picture = _weights(view, shown)
    return view.page(
        "decision.html",
        "runs",
        f"Decision {entry.id}",
        id=entry.id,
        facts=_facts(view, shown),
        missing=shown.missing,
        weights=weights,
        picture=picture,
        constraints=_constraints(shown),
        inputs=_inputs(shown),
        upstream=_upstream(view, shown),
        solver=_solver(shown),
        residuals=_residuals(shown),
        fallbacks=_fallbacks(shown),
        certificate=_certificate(shown),
        replay=f"assay replay {shlex.quote(entry.id)}",
        certify=f"assay certify {shlex.quote(entry.id)}",
        proofs=_proofs(shown),
        records=[(f"{each.type} {each.seq}", as_text(document(each))) for each in _records(shown)],
    )


def _records(shown: Shown) -> list[Record]:
    return [each for each in (shown.intent, shown.outcome) if each is not None]


def _facts(view: View, shown: Shown) -> list[Fact]:
    intent, outcome, data = shown.intent, shown.outcome, shown.data
    window = cast("Payload", data.get("window") or {})
    opening = next((each for each in view.index.runs() if each.run_id == intent.run_id), None)
    run = Cell(intent.run_id, address(f"/run/{opening.hash}") if opening else "")
    facts = [
        fact("Run", run),
        fact("Stage", data.get("stage")),
        fact("Sleeve", data.get("sleeve")),
        fact("As of", data.get("as_of")),
        fact("Seed", data.get("seed")),
        *(fact(f"Window, {name}", value) for name, value in leaves(window) if name),
        *(fact(f"Cell, {name}", value) for name, value in leaves(data.get("cell") or {}) if name),
        fact("Intent", record_link(intent.hash, f"record {intent.seq}"), Cell(intent.hash)),
    ]
    if outcome is None:
        return [*facts, fact("Outcome", "open: running, or stopped and not closed yet")]
    return [
        *facts,
        fact("Outcome", record_link(outcome.hash, f"record {outcome.seq}"), Cell(outcome.hash)),
        fact("Status", outcome.status),
        fact("Result, SHA-256", outcome.data.get("result_sha256")),
    ]


def _weights(view: View, shown: Shown) -> tuple[Table, Markup | None]:
    heads = columns(
        "symbol", ("weight", "number"), ("before", "number"), ("change", "number"), "proof"
    )
    weights = weights_of(shown)
    if not weights:
        return Table("Weights", heads, [], "This decision gives none."), None
    before, words = weights_before(view, shown)
    symbols = sorted({*weights, *before}, key=lambda each: (-weights.get(each, 0.0), each))
    rows = []
    for symbol in symbols:
        now, then = weights.get(symbol, 0.0), before.get(symbol, 0.0)
        path = f"/decision/{shown.intent.hash}/proof"
        proof = Cell("download", address(path, {"symbol": symbol}))
        rows.append(cells((symbol, now, then, now - then, proof if symbol in weights else "")))
    bars = [Bar(each, weights.get(each, 0.0), before.get(each, 0.0)) for each in symbols]
    table = Table("Weights", heads, rows, note=f"Before: {words}.")
    return table, weight_bars(bars)


def _constraints(shown: Shown) -> Table:
    heads = columns(
        "kind", "name", ("value", "number"), ("limit", "number"), ("slack", "number"), "binding"
    )
    names = ("kind", "name", "value", "limit", "slack", "binding")
    found = cast("list[Payload]", shown.result.get("constraints") or [])
    rows = [cells(each.get(name) for name in names) for each in found]
    return Table("Constraints with slack", heads, rows, "This decision records none.")


def _inputs(shown: Shown) -> Table:
    intent = shown.intent
    rows = [cells(("input", name, str(digest))) for name, digest in sorted(intent.inputs.items())]
    rows += [
        cells(("rows of the snapshot", name, value))
        for name, value in leaves(shown.data.get("slice") or {})
        if name
    ]
    if shown.outcome is not None:
        outputs = sorted(shown.outcome.outputs.items())
        rows += [cells(("output", name, str(digest))) for name, digest in outputs]
    return Table("Inputs and outputs", columns("what", "name", ("recorded", "code")), rows)


def _upstream(view: View, shown: Shown) -> Table:
    used = cast("Payload", shown.outcome.data.get("upstream_sha256") or {}) if shown.outcome else {}
    rows = []
    for step in upstream(view, shown.intent):
        link = Cell(step.id, address(f"/decision/{step.entry.hash}") if step.entry else "")
        digest = used.get(step.role) if step.used_by == shown.intent.id else None
        rows.append(cells((step.depth, step.role, link, step.status, str(digest or ""))))
    heads = columns(
        ("steps", "number"), "role", "decision", "status", ("digest it was used with", "code")
    )
    note = f"The nearest {MOST_STEPS} are shown." if len(rows) >= MOST_STEPS else ""
    return Table("Upstream decisions", heads, rows, "It stands on no other decision.", note)


def _solver(shown: Shown) -> Table:
    rows = [
        cells((path, value))
        for name in _SOLVER
        if name in shown.result
        for path, value in leaves({name: shown.result[name]})
    ]
    if shown.outcome is not None:
        observed = leaves(shown.outcome.data.get("observed", {}))
        rows += [cells((f"observed {path}", value)) for path, value in observed if path]
    return Table("Solver", columns("field", ("recorded", "code")), rows, "No solver took part.")


def _residuals(shown: Shown) -> Table:
    found = leaves(shown.result.get("residuals") or {})
    rows = [cells((name, value)) for name, value in found if name]
    return Table("Residuals", columns("residual", ("value", "number")), rows, "None recorded.")


def _fallbacks(shown: Shown) -> Table:
    names = ("engine", "risk_profile", "status", "reason")
    found = cast("list[Payload]", shown.result.get("fallbacks") or [])
    rows = [cells(each.get(name) for name in names) for each in found]
    heads = columns("engine", "risk profile", "status", "reason")
    return Table("Engines tried before", heads, rows, "The first engine gave the weights.")


def _certificate(shown: Shown) -> Table:
    """Return what the recorded certificate states; confirming it is for `assay certify`."""
    heads = columns("field", ("recorded", "code"))
    found = shown.result.get("certificate")
    if not isinstance(found, dict):
        return Table("Certificate", heads, [], "The record has none.")
    rows = [cells((name, found.get(name))) for name in ("kind", "gap")]
    for name, value in sorted(found.items()):
        if name in ("kind", "gap"):
            continue
        if isinstance(value, dict | list):
            rows.append(cells((name, f"{len(value)} members")))
        else:
            rows.append(cells((name, value)))
    note = "As recorded. The command below confirms it with sums and products, without a solver."
    return Table("Certificate", heads, rows, note=note)


def _proofs(shown: Shown) -> list[Cell]:
    return [
        Cell(f"proof of {each.type} record {each.seq}", address(f"/record/{each.hash}/proof"))
        for each in _records(shown)
    ]

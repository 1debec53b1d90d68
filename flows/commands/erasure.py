"""`redact`: lawful erasure of a blob or of the content of a record, recorded before it is done."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from flows.errors import UsageError
from flows.output import table
from ledger import BlobStore, Digest, erase_blob, erase_line, is_digest, plan_blob, plan_line

if TYPE_CHECKING:
    from flows.output import Output
    from flows.settings import Settings, Workspace
    from ledger import ErasurePlan, Log, Receipt, SigningKey

KINDS = ("blob", "record")
SHOWN = 10
"""Lines of one kind that people are shown; the JSON object has all of them."""


def redact(
    settings: Settings,
    output: Output,
    *,
    kind: str,
    name: str,
    ground: str,
    confirmed: bool,
    dry_run: bool,
) -> int:
    """Erase a blob or the content of a record; the warehouse forgets it at the next build."""
    from flows.session import open_ledger  # noqa: PLC0415 - imports replay

    workspace = settings.find_workspace()
    store = BlobStore(workspace.blobs)
    plan = _plan(workspace, store, kind, name)
    copies = _copies(workspace)
    data = {**_to_payload(plan), "copies": copies, "erased": False}
    if dry_run:
        return output.done(_to_text(plan, copies), data)
    _check_ground(ground)
    if not confirmed:
        _confirm(output, plan, copies)
    log, key = open_ledger(workspace)
    with log:
        receipt = _erase(log, store, key, kind, name, ground=ground, by=settings.actor)
        head = log.head()
    text = f"{plan.name} is erased under record {receipt.seq}"
    data |= {"erased": True, "seq": receipt.seq, "hash": receipt.hash, "ground": ground}
    return output.done(
        "\n".join([text, *_advice(plan, copies)]), data, head=(head.hash, head.count)
    )


def _plan(workspace: Workspace, store: BlobStore, kind: str, name: str) -> ErasurePlan:
    if kind == "record" and name.isascii() and name.isdigit():
        return plan_line(workspace.ledger, int(name))
    if kind == "blob" and is_digest(name):
        return plan_blob(workspace.ledger, store, Digest(name))
    raise UsageError(
        f"cannot erase {kind} {name!r}",
        where="assay redact",
        why="a record is named by its seq, a blob by its digest of 64 hexadecimal digits",
        fix="`assay redact record SEQ` or `assay redact blob DIGEST`; `assay show ID` has both",
    )


def _erase(
    log: Log, store: BlobStore, key: SigningKey, kind: str, name: str, *, ground: str, by: str
) -> Receipt:
    if kind == "record":
        return erase_line(log, int(name), key, ground=ground, by=by)
    return erase_blob(log, store, Digest(name), key, ground=ground, by=by)


def _check_ground(ground: str) -> None:
    if not ground.strip():
        raise UsageError(
            "the legal ground is missing",
            where="assay redact",
            why="erasure is lawful on a ground only, and the ledger states it for good",
            fix="add --ground 'GDPR Art. 17(1)(b), consent withdrawn 2026-11-03'",
        )


def _confirm(output: Output, plan: ErasurePlan, copies: list[str]) -> None:
    """Ask on a terminal; elsewhere, or with `--json`, refuse."""
    if not output.as_json and sys.stdin.isatty():
        output.note(_to_text(plan, copies))
        output.note("Type `erase` to go on; there is no way back.")
        if sys.stdin.readline().strip() == "erase":
            return
    raise UsageError(
        f"{plan.name} was not erased: nobody confirmed it",
        where="assay redact",
        why="what is erased cannot be brought back",
        fix="look with --dry-run, then add --yes",
    )


def _copies(workspace: Workspace) -> list[str]:
    """Return what else of the workspace may hold the content, and is not evidence."""
    snapshots = workspace.warehouse.glob("*.duckdb") if workspace.warehouse.exists() else ()
    reports = workspace.reports.iterdir() if workspace.reports.exists() else ()
    quarantine = workspace.ledger / "quarantine"
    torn = quarantine.iterdir() if quarantine.exists() else ()
    found = [path.relative_to(workspace.root) for path in (*snapshots, *reports, *torn)]
    return sorted(str(path) for path in found)


def _to_text(plan: ErasurePlan, copies: list[str]) -> str:
    rows = [(r.seq, r.type, r.id, r.ts[:19], r.redacted) for r in plan.records]
    state = "gone already" if plan.is_done else f"would go from {plan.path}"
    redaction = plan.redaction
    under = f"under record {redaction.seq}" if redaction else "a redaction record would say so"
    return "\n".join(
        [
            f"{plan.name}: {state}; {under}",
            table(("seq", "type", "id", "time", "redacted"), rows[:SHOWN]),
            *_rest(len(rows), "records"),
            *_advice(plan, copies),
        ]
    )


def _advice(plan: ErasurePlan, copies: list[str]) -> list[str]:
    """Return what an erasure leaves for people to look at."""
    named = sorted({d for r in plan.records for d in (*r.inputs.values(), *r.outputs.values())})
    blobs = [f"  blob {digest}" for digest in named if f"blob {digest}" != plan.name]
    lines = ["its record names blobs that stay:", *blobs[:SHOWN]] if blobs else []
    lines += _rest(len(blobs), "blobs")
    if copies:
        lines += ["may still hold it:", *(f"  {each}" for each in copies)]
        lines.append("`assay build` makes the build file anew; delete the rest if they hold it")
    return [*lines, "backups and copies of the ledger elsewhere are not touched"]


def _rest(count: int, what: str) -> list[str]:
    """Return the line that counts what is not shown."""
    return [f"  and {count - SHOWN} more {what}; --json lists all"] if count > SHOWN else []


def _to_payload(plan: ErasurePlan) -> dict[str, object]:
    return {
        "name": plan.name,
        "path": str(plan.path),
        "is_done": plan.is_done,
        "redaction": None if plan.redaction is None else plan.redaction.seq,
        "records": [
            {
                "seq": record.seq,
                "type": record.type,
                "id": record.id,
                "ts": record.ts,
                "inputs": dict(record.inputs),
                "outputs": dict(record.outputs),
            }
            for record in plan.records
        ],
    }

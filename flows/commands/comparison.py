"""`diff`: what differs between two runs, decisions, manifests or sets of prices."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from flows.errors import UsageError
from flows.output import table
from ledger import BlobStore, Digest, is_digest, loads, read_records
from pipeline.ingestion.snapshot import from_snapshot
from replay.difference import (
    ASPECTS,
    compare_decisions,
    compare_manifests,
    compare_runs,
    compare_snapshots,
)
from replay.history import History

if TYPE_CHECKING:
    from flows.output import Output
    from flows.settings import Settings
    from pipeline.values import Payload
    from replay.difference import Change, Difference

FINDINGS = 1
WIDTH = 34
KINDS = ("run", "decision", "manifest", "data")


def show_difference(
    settings: Settings, output: Output, kind: str, a: str, b: str, *, stat: bool
) -> int:
    """Show what differs, causes first; exit 1 when something does."""
    found = _compare(settings, kind, a, b)
    lines = [f"a  {found.a}", f"b  {found.b}", "", _cause(found), ""]
    lines.append(table(("aspect", "changes"), list(found.counts().items())))
    if not stat and found.changes:
        rows = [_row(change) for change in found.changes]
        lines += ["", table(("aspect", "where", "a", "b", "times"), rows)]
    code = FINDINGS if found.changes else 0
    return output.done("\n".join(lines), found.to_payload(), code=code)


def _compare(settings: Settings, kind: str, a: str, b: str) -> Difference:
    if kind not in KINDS:
        raise UsageError(
            f"unknown kind {kind!r}",
            where="assay diff",
            why=f"what can be compared is {', '.join(KINDS)}",
            fix="for example `assay diff run RUN_A RUN_B`",
        )
    workspace = settings.find_workspace()
    history = History(read_records(workspace.ledger), BlobStore(workspace.blobs))
    if kind == "run":
        return compare_runs(history, a, b)
    if kind == "decision":
        return compare_decisions(history, a, b)
    if kind == "manifest":
        one, other = (_manifest(settings, history, each) for each in (a, b))
        return compare_manifests((a, one), (b, other))
    bars = (from_snapshot(history.blobs.get(_snapshot(history, each))) for each in (a, b))
    return compare_snapshots((a, next(bars)), (b, next(bars)))


def _manifest(settings: Settings, history: History, text: str) -> Payload:
    """Return a resolved manifest: a run's, a blob's, or that of a file's default profile."""
    if is_digest(text):
        return cast("Payload", loads(history.blobs.get(Digest(text))))
    if (settings.cwd / Path(text)).is_file():
        from flows.commands.runs import resolve_profile  # noqa: PLC0415 - imports the manifest

        return resolve_profile(settings, text, None).to_payload()
    run = history.run(text)
    if "manifest" not in run.inputs:
        raise UsageError(
            f"run {run.run_id} has no manifest",
            where="assay diff manifest",
            why=f"a run of kind {run.data['kind']} decides nothing",
            fix="name a run of a profile, a digest or a file",
        )
    return cast("Payload", loads(history.blobs.get(run.inputs["manifest"])))


def _snapshot(history: History, text: str) -> Digest:
    """Return a digest given as it is, or that of the first sleeve of a run."""
    if is_digest(text):
        return Digest(text)
    run_id = history.run(text).run_id
    for id_ in history.decisions(run_id):
        if digest := history.decision(id_).intent.inputs.get("snapshot"):
            return digest
    raise UsageError(
        f"run {run_id} has no prices",
        where="assay diff data",
        why="none of its decisions names a snapshot",
        fix="name a run of a profile, or the digest of a snapshot",
    )


def _cause(found: Difference) -> str:
    first = found.first_cause
    if first is None:
        pairs = f" in {found.compared} pairs of decisions" if found.compared else ""
        return f"no difference{pairs}: {', '.join(ASPECTS)} are equal"
    return f"first cause: {first.aspect}: {first.where}"


def _row(change: Change) -> tuple[object, ...]:
    return (change.aspect, change.where, _short(change.a), _short(change.b), change.count)


def _short(value: object) -> str:
    text = "-" if value is None else str(value)
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 3]}..."

"""`verify`, `log`, `show`, `checkpoint`, `replay`: what the ledger says and whether it holds."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flows.errors import UsageError
from flows.output import Progress, table
from ledger import VerifyKey, load_policy, read_records, verify
from ledger.unpack import verify_bundle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flows.output import Output
    from flows.settings import Settings
    from ledger import Record, Report

INTEGRITY = 3
MISMATCH = 4


@dataclass(frozen=True, slots=True)
class Brought:
    """What the verifier trusts that did not come with the ledger: files of their own."""

    keys: tuple[Path, ...] = ()
    policy: Path | None = None
    last_seen: Path | None = None
    anchor_git: Path | None = None
    anchor_tsa: Path | None = None


def verify_workspace(
    settings: Settings, output: Output, *, fast: bool, with_blobs: bool, trust: Brought
) -> int:
    """Verify the ledger of the workspace, and with `with_blobs` every blob.

    Without a key or a policy the key beside the ledger is the one that is trusted.
    """
    workspace = settings.find_workspace()
    public = workspace.keys / "log.pub"
    own = () if trust.keys or trust.policy or not public.exists() else (public,)
    report = verify(
        workspace.ledger,
        blobs=workspace.blobs if with_blobs else None,
        level="fast" if fast else "strict",
        keys=[VerifyKey.load(settings.cwd / path) for path in (*trust.keys, *own)],
        policy=load_policy(settings.cwd / trust.policy) if trust.policy else None,
        last_seen=trust.last_seen and settings.cwd / trust.last_seen,
        anchor_git=trust.anchor_git and settings.cwd / trust.anchor_git,
        anchor_tsa=trust.anchor_tsa and settings.cwd / trust.anchor_tsa,
    )
    blobs = "every blob that a record names was checked" if with_blobs else "not checked: --blobs"
    return _show_report(output, report, {"blobs_checked": with_blobs}, f"\n  blobs       {blobs}")


def verify_received(
    settings: Settings, output: Output, path: Path, *, fast: bool, trust: Brought
) -> int:
    """Verify an evidence bundle, its blobs included; no workspace is needed."""
    if fast:
        raise UsageError(
            "a bundle is not verified by bytes only",
            where="assay verify --bundle --fast",
            why="it comes from elsewhere: every rule, file and blob is checked",
            fix="leave out --fast",
        )
    if not (settings.cwd / path).is_file():
        raise UsageError(
            "no such bundle: expected a file, found none",
            where=str(settings.cwd / path),
            why="a bundle is the one zip that `assay export` wrote",
            fix="name the zip that you received",
        )
    report = verify_bundle(
        settings.cwd / path,
        keys=[VerifyKey.load(settings.cwd / key) for key in trust.keys],
        policy=load_policy(settings.cwd / trust.policy) if trust.policy else None,
        last_seen=trust.last_seen and settings.cwd / trust.last_seen,
        anchor_git=trust.anchor_git and settings.cwd / trust.anchor_git,
        anchor_tsa=trust.anchor_tsa and settings.cwd / trust.anchor_tsa,
    )
    return _show_report(output, report, {"bundle": path.name}, "")


def _show_report(output: Output, report: Report, more: dict[str, object], text: str) -> int:
    return output.done(
        report.to_text() + text,
        {**report.to_payload(), **more},
        code=0 if report.ok else INTEGRITY,
        head=(report.head, report.count),
    )


def show_log(
    settings: Settings,
    output: Output,
    *,
    step: str | None,
    run_id: str | None,
    type_: str | None,
    count: int,
) -> int:
    """List the last records, newest last."""
    workspace = settings.find_workspace()
    matching = [
        record
        for record in read_records(workspace.ledger)
        if (step is None or record.step == step)
        and (run_id is None or record.run_id.startswith(run_id))
        and (type_ is None or record.type == type_)
    ][-count:]
    rows = [(r.seq, r.ts[:19], r.type, r.step, r.status, r.id, r.hash[:12]) for r in matching]
    header = ("seq", "time", "type", "step", "status", "id", "hash")
    return output.done(table(header, rows), [_envelope(record) for record in matching])


def show_record(settings: Settings, output: Output, text: str) -> int:
    """Show a record by seq, or intent and outcome of a decision by id or a part of it."""
    workspace = settings.find_workspace()
    found = list(_matching(read_records(workspace.ledger), text))
    ids = {record.id for record in found}
    if len(ids) > 1 and text in ids:
        found = [record for record in found if record.id == text]
    elif len(ids) != 1:
        shown = "".join(f"\n         {id_}" for id_ in sorted(ids)[:5])
        raise UsageError(
            f"{len(ids)} ids match {text!r}, expected one{shown}",
            where="assay show",
            why="a record is named by its seq, its id, or a unique part of the id",
            fix="`assay log` lists ids",
        )
    data = [
        {**_envelope(r), "inputs": dict(r.inputs), "outputs": dict(r.outputs), "data": dict(r.data)}
        for r in found
    ]
    return output.done(json.dumps(data, indent=2, ensure_ascii=False), data)


def _matching(records: Iterator[Record], text: str) -> Iterator[Record]:
    for record in records:
        if str(record.seq) == text or (not text.isdigit() and text in record.id):
            yield record


def _envelope(record: Record) -> dict[str, object]:
    return {
        "seq": record.seq,
        "ts": record.ts,
        "type": record.type,
        "step": record.step,
        "id": record.id,
        "status": record.status,
        "run_id": record.run_id,
        "actor": record.actor,
        "hash": record.hash,
        "prev_hash": record.prev_hash,
    }


def sign_checkpoint(settings: Settings, output: Output) -> int:
    """Sign a checkpoint over the whole ledger and print its lines."""
    from flows.session import open_ledger  # noqa: PLC0415 - imports replay

    log, key = open_ledger(settings.find_workspace())
    with log:
        checkpoint = log.checkpoint(key)
        head = log.head()
    note = checkpoint.note.decode()
    data = {"origin": checkpoint.origin, "size": checkpoint.size, "note": note}
    return output.done(note.rstrip("\n"), data, head=(head.hash, head.count))


def replay_decisions(
    settings: Settings,
    output: Output,
    *,
    text: str | None,
    run_id: str | None,
    every: bool,
    last: bool,
    sample: int | None,
    seed: int,
) -> int:
    """Replay decisions in a fresh process; exit 4 unless all are exact, 3 on altered evidence."""
    from flows.audit import choose, decided, load_history, replay  # noqa: PLC0415 - imports replay
    from replay.comparison import BREACHES  # noqa: PLC0415

    workspace = settings.find_workspace()
    history = load_history(workspace)
    ids = choose(
        history, text=text, run_id=run_id, every=every, last=last, sample=sample, seed=seed
    )
    undecided = 0 if text else len(decided(history, run_id, taken=False))
    with Progress(output) as progress:
        found = replay(settings, ids, progress)
    counts = Counter(comparison.verdict for comparison in found)
    others = [comparison for comparison in found if comparison.verdict != "exact"]
    lines = [f"{verdict:<20} {count}" for verdict, count in sorted(counts.items())]
    if undecided:
        lines.append(f"{'never decided':<20} {undecided}, left out: aborted, or without outcome")
    lines += [f"  {c.decision_id}: {c.verdict}, {c.first_difference}" for c in others[:10]]
    code = INTEGRITY if BREACHES & set(counts) else MISMATCH if others else 0
    data = {
        "counts": dict(sorted(counts.items())),
        "never_decided": undecided,
        "decisions": [comparison.to_payload() for comparison in found],
    }
    return output.done("\n".join(lines), data, code=code)

"""Writes reports, records that they were written, and makes them again to verify them.

A report stands on the head of the snapshot. Its own record comes after that head, so it does not
change the report: the same head gives the same bytes however often it is reported.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from flows.errors import BreachError, FlowError, WorkspaceError
from flows.keyring import load_key
from flows.session import LOCK_WAIT_SECONDS
from flows.settings import now
from ledger import Draft, Log, VerifyKey, read_records, verify

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flows.settings import Settings, Workspace
    from ledger import Report
    from warehouse.reports.difference import Difference
    from warehouse.reports.request import Form, Request
    from warehouse.reports.stamp import Stamp
    from warehouse.reports.subject import Verified

STEP = "report"


class NotReproducibleError(FlowError):
    """A report cannot be made again here: the workspace is behind it, or the version is another."""

    code = "E0425"


@dataclass(frozen=True, slots=True)
class Order:
    """What to write.

    Attributes
    ----------
    run_id : str or None
        The run; `None` takes the newest closed backtest.
    framework, period : str
        As on the command line; empty for none.
    form : {"html", "json", "md", "pdf"}
    """

    run_id: str | None = None
    framework: str = ""
    period: str = ""
    form: str = "html"


@dataclass(frozen=True, slots=True)
class Written:
    """A report on disk.

    Attributes
    ----------
    path : Path
        The file.
    sha256 : str
        Digest of its bytes; the same head gives the same digest, save for PDF.
    size : int
        Bytes.
    verified : bool
        Whether the ledger verified; the page says so too.
    seq : int or None
        The record of it; `None` where the ledger does not verify: nothing is built on it.
    """

    path: Path
    sha256: str
    size: int
    verified: bool
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """What verifying a report found: what it is of, its digest, and the first difference."""

    stamp: Stamp
    sha256: str
    form: Form
    difference: Difference | None


def write_report(
    settings: Settings,
    *,
    run_id: str | None = None,
    out: Path | None = None,
    order: Order | None = None,
) -> Written:
    """Render a report, write it, and record that it was written.

    Raises
    ------
    WorkspaceError
        If the warehouse was not built.
    WarehouseError
        If there is no such run or framework, or the period cannot be read.
    """
    from warehouse.reports.render import render_report  # noqa: PLC0415 - duckdb and jinja2
    from warehouse.reports.stamp import read_stamp  # noqa: PLC0415

    order = order or Order(run_id)
    workspace = settings.find_workspace()
    snapshot = workspace.warehouse / "snapshot.duckdb"
    if not snapshot.exists():
        raise WorkspaceError(
            "there is no snapshot of the warehouse",
            where=str(workspace.warehouse),
            why="a report reads the published snapshot",
            fix="run `assay build` first",
        )
    request = _request(order)
    found = _verify(workspace)
    told = _verified(workspace, snapshot, found)
    if order.form == "pdf":
        from flows.printing import print_pdf  # noqa: PLC0415 - only for this form

        page = render_report(snapshot, request, told)
        content, stamp = print_pdf(page), read_stamp(page)[0]
    else:
        content = render_report(snapshot, request, told, _form(order.form))
        stamp = read_stamp(content)[0]
    path = settings.cwd / out if out else workspace.reports / _name(content, order.form)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    data = _note(stamp, order.form, digest, len(content), path.name)
    seq = _record(workspace, data, settings.actor) if found.ok else None
    return Written(path, digest, len(content), found.ok, seq)


def verify_report(settings: Settings, path: Path) -> Verification:
    """Make a report again from the ledger of its head and compare every byte.

    Raises
    ------
    NotReproducibleError
        If this workspace is behind the report, or another version of the software made it.
    BreachError
        If the ledger holds another record at its head.
    UnreadableReportError
        If the file does not say what it was made from.
    """
    from warehouse.reports.difference import first_difference  # noqa: PLC0415 - duckdb
    from warehouse.reports.render import render_report  # noqa: PLC0415
    from warehouse.reports.stamp import read_stamp  # noqa: PLC0415

    workspace = settings.find_workspace()
    content = path.read_bytes()
    stamp, form = read_stamp(content)
    _refuse_version(stamp, path)
    found = _verify(workspace)
    _refuse_head(workspace, stamp, found, path)
    request = _request(Order(stamp.run_id, stamp.framework, stamp.period))
    with _snapshot_of(workspace, stamp) as snapshot:
        told = _verified(workspace, snapshot, found)
        again = render_report(snapshot, request, told, form)
    digest = hashlib.sha256(content).hexdigest()
    return Verification(stamp, digest, form, first_difference(again, content, form))


def append_note(workspace: Workspace, draft: Draft) -> int:
    """Append one note under a checkpoint and return its position.

    The caller has verified the ledger.
    """
    key = load_key(workspace)
    with Log.open(workspace.ledger, clock=now, wait_seconds=LOCK_WAIT_SECONDS) as log:
        (receipt,) = log.append([draft])
        log.checkpoint(key)
    return receipt.seq


def _request(order: Order) -> Request:
    from warehouse.reports.frameworks import read_framework  # noqa: PLC0415 - duckdb
    from warehouse.reports.period import parse_period  # noqa: PLC0415
    from warehouse.reports.request import Request  # noqa: PLC0415

    return Request(
        order.run_id,
        read_framework(order.framework) if order.framework else None,
        parse_period(order.period) if order.period else None,
        version("assay"),
    )


def _form(name: str) -> Form:
    from warehouse.reports.request import FORMS  # noqa: PLC0415 - duckdb

    return next(form for form in FORMS if form == name)


def _verify(workspace: Workspace) -> Report:
    key = VerifyKey.load(workspace.keys / "log.pub")
    return verify(workspace.ledger, level="fast", keys=(key,))


def _verified(workspace: Workspace, snapshot: Path, found: Report) -> Verified:
    """Return what the report says of the ledger: checkpoint, the key that signed it, verdict."""
    from warehouse.reports import held_checkpoint  # noqa: PLC0415 - duckdb
    from warehouse.reports.render import held_key_id  # noqa: PLC0415
    from warehouse.reports.subject import Verified  # noqa: PLC0415

    first = VerifyKey.load(workspace.keys / "log.pub")
    key_id = held_key_id(snapshot, first.name) or first.key_id.hex()
    known = {VerifyKey.parse(text).key_id.hex(): text for text in (first.text, *found.keys)}
    lines = held_checkpoint(snapshot)
    return Verified(lines, key_id, first.name, _verdicts(found), known.get(key_id, ""))


def _verdicts(found: Report) -> dict[str, str]:
    """Return what the verifier found, for the strip at the top of the report.

    Without counts or trust: the ledger may grow, and others may cosign, while the snapshot, and so
    the report, stays the same.
    """
    if found.ok:
        return {"chain": "PASS: every record and signed checkpoint verified"}
    first = found.findings[0]
    return {"chain": f"FAIL: {first.kind} at record {first.seq}: {first.message}"}


def _note(stamp: Stamp, form: str, sha256: str, size: int, out: str) -> dict[str, object]:
    """Return what is recorded of a report (`docs/spec/records.md`, `report`)."""
    return {
        "sha256": sha256,
        "bytes": size,
        "form": form,
        "framework": stamp.framework,
        "period": stamp.period,
        "run": stamp.run_id,
        "head_seq": stamp.head_seq,
        "head_hash": stamp.head_hash,
        "version": stamp.version,
        "out": out,
    }


def _record(workspace: Workspace, data: dict[str, object], actor: str) -> int:
    # Without an id: a report that is taken twice is recorded twice.
    draft = Draft(type="note", run_id="", step=STEP, id="", actor=actor, data=data)
    return append_note(workspace, draft)


def _refuse_version(stamp: Stamp, path: Path) -> None:
    mine = version("assay")
    if stamp.version != mine:
        raise NotReproducibleError(
            f"the report was made by version {stamp.version}, this is {mine}",
            where=str(path),
            why="another version may word or draw the same numbers otherwise",
            fix=f"verify it with version {stamp.version}; its commit stands in the report",
        )


def _refuse_head(workspace: Workspace, stamp: Stamp, found: Report, path: Path) -> None:
    """Refuse a report whose head this ledger has not, or has otherwise."""
    if not 0 <= stamp.head_seq < found.count:
        raise NotReproducibleError(
            f"the report stands on record {stamp.head_seq}, the ledger ends at {found.count - 1}",
            where=str(path),
            why="the workspace is behind the report, or not the one it was made in",
            fix="take a newer copy of the ledger; if there is none, records were cut off",
        )
    held = next(iter(read_records(workspace.ledger, stamp.head_seq, stamp.head_seq + 1))).hash
    if held != stamp.head_hash:
        raise BreachError(
            f"record {stamp.head_seq} has the hash {held}, the report names {stamp.head_hash}",
            where=str(path),
            why="report and ledger are of different histories: one of them was changed",
            fix="run `assay verify`; compare with a checkpoint that somebody else keeps",
        )


@contextmanager
def _snapshot_of(workspace: Workspace, stamp: Stamp) -> Iterator[Path]:
    """Yield the kept snapshot of the head of a report, or one that is built for it."""
    from warehouse.build import derived_at  # noqa: PLC0415 - duckdb
    from warehouse.snapshots import list_snapshots  # noqa: PLC0415

    for kept in list_snapshots(workspace.root):
        if (kept.head.through_seq, kept.head.through_hash) == (stamp.head_seq, stamp.head_hash):
            yield kept.path
            return
    with derived_at(workspace.root, stamp.head_seq) as database:
        yield database


def _name(content: bytes, form: str) -> str:
    return f"report-{hashlib.sha256(content).hexdigest()[:12]}.{form}"

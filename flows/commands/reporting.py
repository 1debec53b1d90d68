"""`report`, `report verify`, `report sign`: written, made again, signed off."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from flows.errors import FlowError, UsageError
from flows.reporting import STEP, append_note, verify_report, write_report
from flows.session import refuse_altered
from flows.settings import now
from ledger import Draft, read_approvals, read_records, write_time

if TYPE_CHECKING:
    from pathlib import Path

    from flows.output import Output
    from flows.reporting import Order
    from flows.settings import Settings, Workspace
    from ledger import Record

INTEGRITY = 3
FORMS = ("html", "json", "md", "pdf")


class SignOffRefusedError(FlowError):
    """A sign-off that would not hold: the report is not recorded, or the person not enrolled."""

    code = "E0426"


def report(settings: Settings, output: Output, order: Order, *, out: Path | None) -> int:
    """Render a report in one form, write it and record it."""
    if order.form not in FORMS:
        raise UsageError(
            f"there is no form {order.form!r}",
            where="assay report --format",
            why="a report is written in one of a few forms",
            fix=f"name one of {', '.join(FORMS)}",
        )
    written = write_report(settings, out=out, order=order)
    data = {
        "path": str(written.path),
        "sha256": written.sha256,
        "bytes": written.size,
        "form": order.form,
        "framework": order.framework,
        "period": order.period,
        "seq": written.seq,
    }
    recorded = "" if written.seq is None else f", record {written.seq}"
    text = f"{written.path}\nsha256 {written.sha256}, {written.size:,} bytes{recorded}"
    if not written.verified:
        output.warnings.append(
            "the ledger does not verify; the report says FAIL and is not recorded: `assay verify`"
        )
    return output.done(text, data, code=0 if written.verified else INTEGRITY)


def verify(settings: Settings, output: Output, path: Path) -> int:
    """Make a report again from the ledger; exit 3 when a byte differs."""
    found = verify_report(settings, _readable(settings.cwd / path))
    stamp, difference = found.stamp, found.difference
    data: dict[str, object] = {
        "path": str(path),
        "sha256": found.sha256,
        "form": found.form,
        "run": stamp.run_id,
        "framework": stamp.framework,
        "period": stamp.period,
        "head_seq": stamp.head_seq,
        "head_hash": stamp.head_hash,
        "identical": difference is None,
        "difference": None if difference is None else difference.to_payload(),
    }
    about = " ".join(part for part in (stamp.run_id, stamp.framework, stamp.period) if part)
    head = f"head {stamp.head_seq} {stamp.head_hash}"
    if difference is None:
        lines = ["identical: every byte is what the ledger gives", f"  {about}", f"  {head}"]
        return output.done("\n".join([*lines, f"  sha256 {found.sha256}"]), data)
    lines = [
        "DIFFERENT: the file is not what the ledger gives",
        f"  {about}",
        f"  {head}",
        f"  section   {difference.section}",
        f"  at        {difference.label}",
        f"  expected  {difference.expected}",
        f"  found     {difference.found}",
    ]
    return output.done("\n".join(lines), data, code=INTEGRITY)


def sign(settings: Settings, output: Output, path: Path, *, role: str, key: Path | None) -> int:
    """Sign the SHA-256 of a recorded report with a person's key, and record the signature."""
    from flows.signing import person_key  # noqa: PLC0415 - keys
    from ledger.note import sign_note  # noqa: PLC0415
    from warehouse.reports.signoff import ROLES, SignOff  # noqa: PLC0415 - duckdb

    if role not in ROLES:
        raise UsageError(
            f"there is no role {role!r}",
            where="assay report sign --role",
            why="a sign-off says what the person did",
            fix=f"name one of {', '.join(ROLES)}",
        )
    workspace = settings.find_workspace()
    digest = hashlib.sha256(_readable(settings.cwd / path).read_bytes()).hexdigest()
    record = _recorded(workspace, digest, path)
    origin = next(iter(read_records(workspace.ledger, 0, 1))).data["origin"]
    person = person_key(workspace, key, str(origin))
    _refuse_stranger(workspace, person.verify_key.text, person.name)
    about = record.data
    moment = write_time(now())
    stated = SignOff(
        str(origin), role, digest, int(str(about["head_seq"])), str(about["head_hash"]), moment
    )
    data = {
        "role": role,
        "person": person.name,
        "report_sha256": digest,
        "report_seq": record.seq,
        "head_seq": stated.head_seq,
        "head_hash": stated.head_hash,
        "note": sign_note(stated.text, person).decode(),
    }
    # The same person's same words are one record.
    id_ = f"{role} {digest} by {person.name} at {moment}"
    draft = Draft(type="note", run_id="", step="sign-off", id=id_, actor=settings.actor, data=data)
    seq = append_note(workspace, draft)
    text = f"{role} by {person.name}, record {seq}\nsha256 {digest}\nbuild, then report, to show it"
    return output.done(text, {**data, "seq": seq})


def _recorded(workspace: Workspace, digest: str, path: Path) -> Record:
    """Return the newest record of a report with these bytes."""
    from flows.keyring import load_key  # noqa: PLC0415

    refuse_altered(workspace, load_key(workspace))
    found = [
        record
        for record in read_records(workspace.ledger)
        if record.step == STEP and record.type == "note" and record.data.get("sha256") == digest
    ]
    if not found:
        raise SignOffRefusedError(
            f"no report with the SHA-256 {digest} is recorded",
            where=str(path),
            why="a sign-off is about the exact bytes of a report that this ledger knows",
            fix="sign the file that `assay report` wrote; `assay report verify FILE` says whether "
            "it was changed",
        )
    return found[-1]


def _refuse_stranger(workspace: Workspace, key: str, name: str) -> None:
    if key not in {person.key.text for person in read_approvals(workspace.ledger).persons}:
        raise SignOffRefusedError(
            f"{name} is not enrolled with this key",
            where=str(workspace.ledger),
            why="who may sign is itself a record: otherwise any new key could carry any name",
            fix=f"enrol the person first: `assay approver add {name}`",
        )


def _readable(path: Path) -> Path:
    if not path.is_file():
        raise UsageError(
            "there is no such file",
            where=str(path),
            why="a report is one file",
            fix="name a file that `assay report` wrote; it lies in .assay/reports by default",
        )
    return path

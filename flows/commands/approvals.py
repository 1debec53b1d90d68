"""`approver`, `approve`, `withdraw`, `override`, `halt`, `resume`: who agrees to what runs live.

A person's key need not be where the ledger is: `--note-out FILE` signs on the person's machine,
`--note FILE` records on the operator's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NoReturn

from flows.errors import UsageError, WorkspaceError
from flows.keyring import load_key
from flows.output import table
from flows.settings import now
from flows.signing import (
    ApprovalRefusedError,
    make_person_key,
    person_key,
    record_halt,
    record_note,
    refused,
    sign,
)
from ledger import (
    MalformedNoteError,
    MalformedStatementError,
    Statement,
    draft_approval,
    draft_halt,
    parse_statement,
    read_approvals,
    write_time,
)
from ledger.note import parse_note
from ledger.segments import read_genesis
from ledger.statement import GATES, KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from flows.output import Output
    from flows.settings import Settings, Workspace
    from ledger import (
        SigningKey,
    )


@dataclass(frozen=True, slots=True)
class Signing:
    """Where a statement is signed and recorded.

    Attributes
    ----------
    key : str or None
        File with the person's key; the only one in the configuration folder if absent.
    note_out : str or None
        Sign, write the note to this file, and record nothing.
    note : str or None
        Record the note in this file, signed elsewhere.
    origin : str or None
        Name of the ledger, where there is no workspace.
    """

    key: str | None = None
    note_out: str | None = None
    note: str | None = None
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class Wording:
    """What a command wants stated."""

    action: str
    subject: str = ""
    until: str = ""
    reason: str = ""


def add_approver(settings: Settings, output: Output, name: str | None, signing: Signing) -> int:
    """Make a person's key where there is none, and enrol it."""
    if signing.note is not None:
        return _record(settings, output, _read_note(settings, signing.note, "enrol"))
    if name is None:
        _refuse_usage("no name", "an approver is a person", "assay approver add alice@example.org")
    workspace = _workspace(settings)
    origin = _origin(workspace, signing)
    key = make_person_key(workspace, name, _path(settings, signing.key), origin)
    return _state(settings, output, Wording("enrol", key.verify_key.text), signing, key=key)


def remove_approver(settings: Settings, output: Output, name: str, reason: str | None) -> int:
    """Dismiss a person: what they approved no longer counts."""
    workspace = settings.find_workspace()
    found = [each for each in read_approvals(workspace.ledger).persons if each.name == name]
    if not found:
        raise ApprovalRefusedError(
            f"nobody named {name!r} is enrolled",
            where=str(workspace.ledger),
            why="only who is enrolled can be dismissed",
            fix="`assay approver list` shows the names",
        )
    key = load_key(workspace)
    wording = Wording("dismiss", found[0].key.text, reason=reason or "")
    return _state(settings, output, wording, Signing(), key=key)


def list_approvers(settings: Settings, output: Output) -> int:
    """List who may approve."""
    persons = read_approvals(settings.find_workspace().ledger).persons
    rows = [(each.name, each.seq, each.ts, each.key.text) for each in persons]
    data = [{"name": n, "seq": seq, "ts": ts, "vkey": key} for n, seq, ts, key in rows]
    text = table(("name", "seq", "since", "verifier key"), rows) if rows else "nobody is enrolled"
    return output.done(text, {"approvers": data})


@dataclass(frozen=True, slots=True)
class Subject:
    """What is approved or withdrawn.

    Attributes
    ----------
    kind : str or None
        `manifest`, `lock` or `code`; not needed where the note is there already.
    digest : str or None
        What it is about; by default what a run here would stand on.
    manifest, profile, values
        As for `assay run`; for the kind `manifest`.
    """

    kind: str | None
    digest: str | None = None
    manifest: str | None = None
    profile: str | None = None
    values: Sequence[str] = ()


def agree(
    settings: Settings,
    output: Output,
    action: str,
    subject: Subject,
    *,
    reason: str | None,
    signing: Signing,
) -> int:
    """Approve or withdraw a manifest, a lock or a commit; `action` says which."""
    if signing.note is not None:
        return _record(settings, output, _read_note(settings, signing.note, action))
    if subject.kind not in KINDS:
        _refuse_usage(
            f"{subject.kind!r} is not one of {', '.join(KINDS)}",
            "a digest is of something",
            f"assay {action} manifest",
        )
    digest = subject.digest or _digest_here(settings, output, subject)
    wording = Wording(action, f"{subject.kind} {digest}", reason=reason or "")
    return _state(settings, output, wording, signing)


def override(
    settings: Settings,
    output: Output,
    gate: str | None,
    *,
    until: str | None,
    reason: str | None,
    signing: Signing,
) -> int:
    """Hold a gate open until a time, at most seven days off."""
    if signing.note is not None:
        return _record(settings, output, _read_note(settings, signing.note, "override"))
    if gate not in GATES or until is None or not reason:
        _refuse_usage(
            f"an override needs a gate ({', '.join(GATES)}), an end and a reason",
            "whoever reads it later asks for them",
            "assay override tree --until 2026-01-31T18:00:00Z --reason TEXT",
        )
    wording = Wording("override", gate, _time(until), reason)
    return _state(settings, output, wording, signing)


def resume(
    settings: Settings,
    output: Output,
    *,
    reason: str | None,
    halted: str | None,
    signing: Signing,
) -> int:
    """Lift the newest halt and all before it."""
    if signing.note is not None:
        return _record(settings, output, _read_note(settings, signing.note, "resume"))
    if not reason:
        _refuse_usage("no reason", "a halt is lifted for a reason", "assay resume --reason TEXT")
    wording = Wording("resume", halted or _newest_halt(settings), reason=reason)
    return _state(settings, output, wording, signing)


def halt(settings: Settings, output: Output, *, reason: str, key: str | None) -> int:
    """Let no live run start from now on; anybody who can write to the ledger may."""
    workspace = settings.find_workspace()
    statement = _statement(Wording("halt", reason=reason), read_genesis(workspace.ledger).origin)
    try:
        draft = draft_halt(statement, actor=settings.actor)
    except MalformedStatementError as error:
        raise refused(error, "halt") from error
    if key is not None:
        signer = person_key(workspace, _path(settings, key), statement.origin)
        draft = draft_approval(sign(statement, signer), actor=settings.actor)
    receipt, warnings = record_halt(workspace, draft)
    output.warnings += warnings
    text = f"halted: no live run starts; record {receipt.seq}, hash {receipt.hash}"
    data = {"action": "halt", "subject": "", "seq": receipt.seq, "hash": receipt.hash}
    return output.done(text, data)


def list_approvals(settings: Settings, output: Output) -> int:
    """List what is approved, overridden and halted."""
    state = read_approvals(settings.find_workspace().ledger)
    overrides = state.overrides_at(write_time(now()))
    tables: dict[str, tuple[tuple[str, ...], list[tuple[object, ...]]]] = {
        "approvals": (
            ("kind", "digest", "by", "seq", "ts"),
            [(a.kind, a.digest, a.by, a.seq, a.ts) for a in state.approved()],
        ),
        "overrides": (
            ("gate", "by", "seq", "until", "reason"),
            [(o.gate, o.by, o.seq, o.until, o.reason) for o in overrides],
        ),
        "halts": (
            ("by", "seq", "ts", "hash", "reason"),
            [(h.by, h.seq, h.ts, h.hash, h.reason) for h in state.halts],
        ),
    }
    data = {
        name: [dict(zip(header, row, strict=True)) for row in rows]
        for name, (header, rows) in tables.items()
    }
    shown = [f"{name}\n{table(header, rows)}" for name, (header, rows) in tables.items() if rows]
    return output.done("\n\n".join(shown) or "nothing is approved", data)


def _state(
    settings: Settings,
    output: Output,
    wording: Wording,
    signing: Signing,
    *,
    key: SigningKey | None = None,
) -> int:
    """Sign a statement; record it, or write it to a file that is carried elsewhere."""
    workspace = _workspace(settings)
    origin = _origin(workspace, signing)
    signer = key or person_key(workspace, _path(settings, signing.key), origin)
    note = sign(_statement(wording, origin), signer)
    if signing.note_out is None:
        return _record(settings, output, note)
    path = settings.cwd / signing.note_out
    try:
        path.write_bytes(note)
    except OSError as error:
        raise UsageError(
            f"the note cannot be written: {error.strerror}",
            where=str(path),
            why="--note-out names a file in a folder that is there",
            fix="name another file",
        ) from error
    text = f"signed by {signer.name}, recorded nowhere yet: {path}\n{note.decode()}"
    return output.done(text, {"note": str(path), "action": wording.action, "by": signer.name})


def _record(settings: Settings, output: Output, note: bytes) -> int:
    parsed = parse_note(note)
    line = parsed.text.split("\n")[2]
    action, _, subject = line.partition(" ")
    receipt = record_note(
        settings.find_workspace(), note, actor=settings.actor, countersigned=action == "enrol"
    )
    by = parsed.signatures[0].name
    data = {"action": action, "subject": subject, "by": by, "seq": receipt.seq}
    text = f"{line}\n  by {by}, record {receipt.seq}"
    return output.done(text, {**data, "hash": receipt.hash})


def _read_note(settings: Settings, name: str, action: str) -> bytes:
    """Return the note in a file, if it states what the command is for."""
    path = settings.cwd / name
    origin = read_genesis(settings.find_workspace().ledger).origin
    try:
        note = path.read_bytes()
        found = parse_statement(parse_note(note).text, origin).action
    except OSError as error:
        raise UsageError(
            f"no note: {error.strerror}",
            where=str(path),
            why="--note names a file",
            fix="make it with --note-out on the machine of who signs",
        ) from error
    except (MalformedNoteError, MalformedStatementError) as error:
        raise refused(error, str(path)) from error
    if found != action:
        _refuse_usage(f"the note states {found}", f"this command is {action}", f"assay {found}")
    return note


def _digest_here(settings: Settings, output: Output, subject: Subject) -> str:
    """Return the digest of what a run here would stand on."""
    if subject.kind == "manifest":
        from flows.commands.runs import resolve_profile  # noqa: PLC0415 - imports the pipeline

        resolved = resolve_profile(settings, subject.manifest, subject.profile, subject.values)
        output.note(f"profile {resolved.name}, manifest {resolved.sha256}")
        return resolved.sha256
    from replay.environment import capture  # noqa: PLC0415 - imports numpy

    environment = capture()
    if subject.kind == "code" and environment.dirty:
        output.warnings.append("the checkout has uncommitted changes; the commit is without them")
    return environment.lock_sha256 if subject.kind == "lock" else environment.commit


def _newest_halt(settings: Settings) -> str:
    workspace = settings.find_workspace()
    halts = read_approvals(workspace.ledger).halts
    if not halts:
        raise ApprovalRefusedError(
            "no halt is in force",
            where=str(workspace.ledger),
            why="only a halt can be lifted",
            fix="`assay approve list` shows what is in force",
        )
    return halts[-1].hash


def _statement(wording: Wording, origin: str) -> Statement:
    return Statement(
        origin=origin,
        action=wording.action,
        subject=wording.subject,
        at=write_time(now()),
        until=wording.until,
        reason=wording.reason,
    )


def _workspace(settings: Settings) -> Workspace | None:
    """Return the workspace, or None on the machine of somebody who only signs."""
    try:
        return settings.find_workspace()
    except WorkspaceError:
        return None


def _origin(workspace: Workspace | None, signing: Signing) -> str:
    if signing.origin is not None:
        return signing.origin
    if workspace is None:
        _refuse_usage(
            "no workspace here", "a statement names its ledger", "--origin NAME --note-out FILE"
        )
    return read_genesis(workspace.ledger).origin


def _path(settings: Settings, name: str | None) -> Path | None:
    return None if name is None else settings.cwd / name


def _time(text: str) -> str:
    """Return a time with zone as records write it."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        _refuse_usage(f"not a time: {text!r}", str(error), "--until 2026-01-31T18:00:00Z")
    if moment.tzinfo is None:
        _refuse_usage(f"{text!r} has no zone", "it could be any", "--until 2026-01-31T18:00:00Z")
    return write_time(moment)


def _refuse_usage(what: str, why: str, example: str) -> NoReturn:
    raise UsageError(what, where="command line", why=why, fix=f"such as `{example}`")

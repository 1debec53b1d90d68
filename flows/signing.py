"""How a person's statement is signed, tried and recorded.

A note is tried on the state of the ledger before it is appended, while no other note is: so nothing
is recorded that does not hold. A halt waits for nobody and needs no key.
"""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from typing import TYPE_CHECKING

from flows.errors import BreachError, FlowError
from flows.keyring import load_key
from flows.session import LOCK_WAIT_SECONDS, open_ledger, refuse_altered
from flows.settings import config_folder, now
from ledger import (
    ZERO,
    LedgerError,
    Log,
    MalformedNoteError,
    MalformedStatementError,
    Record,
    SigningKey,
    countersign,
    draft_approval,
    read_approvals,
    sign_statement,
    write_time,
)
from ledger.statement import check_person

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flows.settings import Workspace
    from ledger import Draft, Receipt, Statement

LOCK = "approvals.lock"
"""Held from trying a note to appending it: two that exclude each other stand in line."""


class ApprovalRefusedError(FlowError):
    """A statement that would not hold, and so was not recorded."""

    code = "E0412"


class PersonKeyError(FlowError):
    """No key of a person, more than one, or one that lies where the ledger is."""

    code = "E0413"


def sign(statement: Statement, key: SigningKey) -> bytes:
    """Return a statement as a note.

    Raises
    ------
    ApprovalRefusedError
        If nobody could state it: a reason of two lines, an unknown gate, a digest too short.
    """
    try:
        return sign_statement(statement, key)
    except MalformedStatementError as error:
        raise refused(error, statement.action) from error


def refused(error: LedgerError, where: str) -> ApprovalRefusedError:
    """Return what the ledger says about a statement as an error of whoever made it."""
    return ApprovalRefusedError(
        error.what, where=where, why=error.why, fix="correct what is named; nothing was recorded"
    )


def person_key(workspace: Workspace | None, path: Path | None, origin: str) -> SigningKey:
    """Return the key in `path`, or the only one in the configuration folder.

    Raises
    ------
    PersonKeyError
        If there is none or more than one, or if it lies in the workspace.
    LedgerError
        If others may read it, or it is not that of a person.
    """
    if path is None:
        found = sorted(config_folder().glob("*.key"))
        if len(found) != 1:
            raise PersonKeyError(
                f"expected one key of a person, found {len(found)}",
                where=str(config_folder()),
                why="a statement is signed with a person's own key",
                fix="name it with --key FILE, or make one with `assay approver add NAME`",
            )
        path = found[0]
    _refuse_inside(workspace, path)
    key = SigningKey.load(path)
    check_person(key.verify_key, origin)
    return key


def make_person_key(
    workspace: Workspace | None, name: str, path: Path | None, origin: str
) -> SigningKey:
    """Return the key of `name`, made where there is none.

    Raises
    ------
    PersonKeyError
        If the file holds the key of another name, or lies in the workspace.
    """
    path = path or config_folder() / f"{name}.key"
    _refuse_inside(workspace, path)
    if path.exists():
        key = person_key(workspace, path, origin)
        if key.name != name:
            raise PersonKeyError(
                f"expected the key of {name}, found that of {key.name}",
                where=str(path),
                why="a key names one person",
                fix="give the right name, or another file",
            )
        return key
    key = SigningKey.generate(name)
    check_person(key.verify_key, origin)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    key.save(path)
    return key


def _refuse_inside(workspace: Workspace | None, path: Path) -> None:
    if workspace is not None and path.resolve().is_relative_to(workspace.root.resolve()):
        raise PersonKeyError(
            "the key of a person lies in the workspace",
            where=str(path),
            why="who has the workspace could approve in the person's name",
            fix="keep it on the person's own machine, and carry notes with --note-out and --note",
        )


def record_note(workspace: Workspace, note: bytes, *, actor: str, countersigned: bool) -> Receipt:
    """Append a note that holds, and sign a checkpoint over it.

    Parameters
    ----------
    workspace : Workspace
        Whose ledger it is about.
    note : bytes
        Statement and signatures.
    actor : str
        Who records it: a claim.
    countersigned : bool
        Whether the key of the log signs too: an enrolment needs it.

    Raises
    ------
    ApprovalRefusedError
        If it would not hold now; nothing is recorded.
    """
    log, key = open_ledger(workspace)
    with log, alone(workspace):
        try:
            draft = draft_approval(countersign(note, key) if countersigned else note, actor=actor)
        except MalformedNoteError as error:
            raise refused(error, "note") from error
        _refuse_void(workspace, log, draft)
        receipt = log.append([draft])[0]
        log.checkpoint(key)
    return receipt


def record_halt(workspace: Workspace, draft: Draft) -> tuple[Receipt, list[str]]:
    """Append a halt whatever else is wrong; return where, and why no checkpoint is over it."""
    with Log.open(workspace.ledger, clock=now, wait_seconds=LOCK_WAIT_SECONDS) as log:
        if "note" in draft.data:
            _refuse_void(workspace, log, draft)
        receipt = log.append([draft])[0]
        try:
            key = load_key(workspace)
            refuse_altered(workspace, key)
            log.checkpoint(key)
        except (LedgerError, BreachError) as error:
            return receipt, [f"the halt is recorded, under no checkpoint yet: {error.what}"]
    return receipt, []


def _refuse_void(workspace: Workspace, log: Log, draft: Draft) -> None:
    """Try a draft on the state of the ledger as if it were the next record."""
    state = read_approvals(workspace.ledger)
    head = log.head()
    ts = max([write_time(now()), *(record.ts for record in log.read(head.count - 1))])
    fault = state.apply(
        Record(
            seq=head.count,
            ts=ts,
            type=draft.type,
            id=draft.id,
            actor=draft.actor,
            data=draft.data,
            prev_hash=head.hash,
            hash=ZERO,
        )
    )
    if fault:
        raise ApprovalRefusedError(
            f"it would not hold: {fault}",
            where=str(workspace.ledger),
            why="a record whose note does not hold would be a finding of every verification",
            fix="`assay approve list` and `assay approver list` show what is in force",
        )


@contextmanager
def alone(workspace: Workspace) -> Iterator[None]:
    """Hold what two processes must not do at once: judge a statement and record it, rotate."""
    with (workspace.root / LOCK).open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

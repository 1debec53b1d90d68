"""Who agreed to what: statements that people sign with keys of their own.

An `approval` record holds one signed note under `data.note`::

    assay-ledger/1 approval
    example.org/firm/workspace
    approve manifest <64 hex>
    at 2026-01-31T23:59:59.000000Z
    reason limits reviewed

    - alice@example.org base64(...)   (drawn as a hyphen here; an em dash in the note)

`reason` may follow any statement; `until <time>` stands before it in an override and nowhere else.

=====================================  ============================================================
`enrol <vkey>`, `dismiss <vkey>`       a person; signed by a valid key of the log, `enrol` by the
                                       person too
`approve`, `withdraw` + kind + digest  kind is manifest, lock or code; signed by an enrolled person
`override <gate>`                      until a time, at most seven days off, with a reason
`halt`                                 nothing live starts; may be unsigned, as `data.statement`
`resume <hash>`                        lifts the halt of that record and all before it
=====================================  ============================================================

Invariants
----------
1. An approval or override counts while who gave it is enrolled. A dismissed key never comes back.
2. A note counts once. Its text names the ledger and the time of signing; the same signer's same
   text is refused, and so is a note that was recorded more than seven days after it was signed, or
   that approves what was withdrawn since. So nobody can use a withdrawn note again, nor one that
   was held back.
3. A halt always holds. It ends by a person who names it, and who therefore has seen it.
4. Whether an override is over is judged by the clock of the records, which never goes back.
5. A record whose note does not hold changes nothing, and is a finding.
6. Once a person is enrolled, the erasure of a record counts as a halt: what was erased may have
   been a halt, a withdrawal or a dismissal.

Known limits
------------
Whoever holds a key of the log can enrol a key and give it any name. The record shows when; whether
the name is a person is for the reader to compare with a list of his own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from ledger import segments
from ledger.errors import IntegrityError
from ledger.keys import MalformedKeyError, VerifyKey
from ledger.note import MalformedNoteError, open_note
from ledger.record import hash_of_line, read_record
from ledger.rotation import KeyRing
from ledger.segments import LineReader
from ledger.statement import MalformedStatementError, is_time, parse_statement, refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from ledger.record import Record
    from ledger.statement import Statement

LONGEST_OVERRIDE: Final = timedelta(days=7)
LONGEST_DELAY: Final = timedelta(days=7)
"""Between signing and recording."""
CLOCK_TOLERANCE: Final = timedelta(minutes=5)
"""How far the clock of who signs may be ahead of that of the log."""

_MARKS: Final = (b'"type":"approval"', b'"type":"key"', b'"type":"redaction"')


class VoidApprovalError(IntegrityError):
    """The ledger holds an approval record whose note does not hold."""

    code = "E0149"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may approve, and the record that says so."""

    key: VerifyKey
    seq: int
    ts: str

    @property
    def name(self) -> str:
        """Name of the key, such as `alice@example.org`."""
        return self.key.name


@dataclass(frozen=True, slots=True)
class Approval:
    """An approval in force."""

    kind: str
    digest: str
    by: str
    seq: int
    ts: str


@dataclass(frozen=True, slots=True)
class Override:
    """A gate that somebody holds open for a while."""

    gate: str
    by: str
    seq: int
    until: str
    reason: str


@dataclass(frozen=True, slots=True)
class Halt:
    """A halt in force; `by` is who signed it, or who claims to have recorded it."""

    hash: str
    by: str
    seq: int
    ts: str
    reason: str


class Approvals:
    """The state of all statements of one ledger, record by record.

    Parameters
    ----------
    origin : str
        Name of the ledger.
    log_keys_at : callable
        `log_keys_at(seq)` gives the keys of the log that are valid at a record
        (`KeyRing.valid_at`).
    """

    def __init__(self, origin: str, log_keys_at: Callable[[int], Iterable[VerifyKey]]) -> None:
        self.halts: tuple[Halt, ...] = ()
        self._origin = origin
        self._log_keys_at = log_keys_at
        self._persons: dict[str, Person] = {}
        self._known: set[bytes] = set()
        self._used: set[tuple[str, ...]] = set()
        self._approvals: dict[str, dict[str, Approval]] = {}
        self._withdrawn: dict[str, str] = {}
        self._overrides: list[Override] = []

    @property
    def persons(self) -> tuple[Person, ...]:
        """Who may approve now, by name."""
        return tuple(self._persons[name] for name in sorted(self._persons))

    def approved(self, kind: str = "", digest: str = "") -> tuple[Approval, ...]:
        """Return the approvals in force, oldest first: of one kind and digest, or all."""
        subjects = [f"{kind} {digest}"] if kind else list(self._approvals)
        found = [each for subject in subjects for each in self._approvals.get(subject, {}).values()]
        return tuple(sorted(found, key=lambda each: each.seq))

    def overrides_at(self, ts: str) -> tuple[Override, ...]:
        """Return the overrides in force at a time of the record clock, oldest first."""
        return tuple(each for each in self._overrides if ts < each.until)

    def apply(self, record: Record) -> str:
        """Take over what a record states; return what is wrong with it, or nothing.

        Records that are neither approvals nor erasures of a record change nothing.
        """
        if not isinstance(record.data, Mapping) or not is_time(record.ts):
            return "it is not a record"
        if record.type == "redaction" and "seq" in record.data:
            self._note_erasure(record)
        if record.type != "approval":
            return ""
        try:
            statement, signers = self._read(record)
        except (MalformedStatementError, MalformedNoteError, MalformedKeyError) as error:
            return error.what
        log_keys = set(self._log_keys_at(record.seq))
        names = [key.name.casefold() for key in signers if key not in log_keys]
        fault = self._find_fault(statement, names, record, is_log=len(names) < len(signers))
        if not fault:
            self._used.add((statement.text, *names))
            self._take(statement, "".join(names), record)
        return fault

    def _read(self, record: Record) -> tuple[Statement, tuple[VerifyKey, ...]]:
        """Return the statement of a record and the known keys that signed it."""
        note = record.data.get("note")
        if note is None:
            statement = parse_statement(str(record.data.get("statement")), self._origin)
            if statement.action != "halt":
                refuse(statement.text, "a signature", "none")
            return statement, ()
        statement = parse_statement(str(note).rpartition("\n\n")[0] + "\n", self._origin)
        keys = {*self._log_keys_at(record.seq), *(each.key for each in self._persons.values())}
        if statement.action == "enrol":
            keys.add(VerifyKey.parse(statement.subject))
        return statement, open_note(str(note).encode(), keys).verified

    def _find_fault(
        self, statement: Statement, names: list[str], record: Record, *, is_log: bool
    ) -> str:
        if statement.action == "halt":
            return ""
        if fault := _find_fault_of_time(statement, record.ts):
            return fault
        if (statement.text, *names) in self._used:
            return "the note was used before"
        if statement.action in ("enrol", "dismiss"):
            return self._find_fault_of_person(statement, names, record, is_log=is_log)
        if len(names) != 1:
            return f"expected the signature of one enrolled person, found {len(names)}"
        return self._find_fault_of_subject(statement, record.ts)

    def _find_fault_of_subject(self, statement: Statement, ts: str) -> str:
        action, subject = statement.action, statement.subject
        if action == "approve" and statement.at <= self._withdrawn.get(subject, ""):
            return "what it approves was withdrawn after it was signed"
        if action == "override" and not _is_soon(statement.until, ts):
            return "an override ends after it is recorded, and at most seven days later"
        if action == "resume" and all(halt.hash != subject for halt in self.halts):
            return "no halt in force has this hash"
        return ""

    def _find_fault_of_person(
        self, statement: Statement, names: list[str], record: Record, *, is_log: bool
    ) -> str:
        key = VerifyKey.parse(statement.subject)
        name = key.name.casefold()
        if not is_log:
            return "no valid key of the log signed"
        if statement.action == "dismiss":
            person = self._persons.get(name)
            return "" if person and person.key == key else "the person is not enrolled"
        if name not in names:
            return "the enrolled key did not sign"
        if key.public in self._known:
            return "the key is, or was, that of a person"
        if key.public in {each.public for each in self._log_keys_at(record.seq)}:
            return "the key is one of the log"
        return "a person of this name is enrolled" if name in self._persons else ""

    def _take(self, statement: Statement, name: str, record: Record) -> None:
        """Change the state by a statement that holds."""
        by = self._persons[name].name if name in self._persons else ""
        match statement.action:
            case "enrol":
                key = VerifyKey.parse(statement.subject)
                self._persons[key.name.casefold()] = Person(key, record.seq, record.ts)
                self._known.add(key.public)
            case "dismiss":
                self._dismiss(VerifyKey.parse(statement.subject))
            case "approve":
                kind, _, digest = statement.subject.partition(" ")
                mine = Approval(kind, digest, by, record.seq, record.ts)
                self._approvals.setdefault(statement.subject, {}).setdefault(name, mine)
            case "withdraw":
                self._approvals.pop(statement.subject, None)
                self._withdrawn[statement.subject] = record.ts
            case "override":
                found = Override(
                    statement.subject, by, record.seq, statement.until, statement.reason
                )
                self._overrides.append(found)
            case "halt":
                self._halt(record, by or record.actor, statement.reason)
            case _:  # "resume": no other action is parsed
                last = next(h.seq for h in self.halts if h.hash == statement.subject)
                self.halts = tuple(each for each in self.halts if each.seq > last)

    def _dismiss(self, key: VerifyKey) -> None:
        del self._persons[key.name.casefold()]
        self._overrides = [each for each in self._overrides if each.by != key.name]
        for given in self._approvals.values():
            given.pop(key.name.casefold(), None)

    def _note_erasure(self, record: Record) -> None:
        if self._known:
            reason = f"record {record.data['seq']} was erased; it may have been a halt"
            self._halt(record, record.actor, reason)

    def _halt(self, record: Record, by: str, reason: str) -> None:
        self.halts += (Halt(record.hash, by, record.seq, record.ts, reason),)


def read_approvals(root: Path) -> Approvals:
    """Return the state that the records of a ledger lead to.

    Lines of other types are passed over without parsing them; that the chain holds is for the
    verifier to say.

    Raises
    ------
    VoidApprovalError
        If a record of a key or an approval does not hold: then nothing is known to be approved.
    NoLedgerError
        If there is no ledger, or a segment was moved away: it may hold a halt.
    """
    genesis = segments.read_genesis(root)
    ring = KeyRing(genesis.origin, VerifyKey.parse(genesis.vkey))
    approvals = Approvals(genesis.origin, ring.valid_at)
    for record in _read_marked(root):
        fault = ring.apply(record) if record.type == "key" else approvals.apply(record)
        if fault:
            raise VoidApprovalError(
                what=f"the {record.type} record {record.seq} does not hold: {fault}",
                where=str(root),
                why="where one note does not hold, nothing is known to be approved",
                fix="run `python -m ledger verify` for all findings",
            )
    return approvals


def _read_marked(root: Path) -> Iterator[Record]:
    """Yield the records of keys, approvals and erasures."""
    for line in _marked_lines(root):
        if hash_of_line(line):
            record = read_record(line)
            if record.type in ("key", "approval", "redaction"):
                yield record
        else:
            # No stub either: records of these types are never erased.
            raise VoidApprovalError(
                what="a record does not state its own hash",
                where=repr(line[:60]),
                why="it may be an approval, and it was altered",
                fix="run `python -m ledger verify` for all findings",
            )


def _marked_lines(root: Path) -> Iterator[bytes]:
    """Yield the lines that may be of these types; most blocks are passed over by one search."""
    with segments.snapshot(root) as found:
        for segment in found:
            with segments.open_segment(segment) as stream:
                reader = LineReader(stream)
                for lines in reader:
                    if any(mark in reader.block for mark in _MARKS):
                        yield from (line for line in lines if any(m in line for m in _MARKS))


def same_person(name: str, actor: str) -> bool:
    """Return whether the key `alice@example.org` and the actor `alice@host` name the same user.

    Both are claims: the name was given at enrolment, the actor by the machine of the run.
    """
    return name.partition("@")[0].casefold() == actor.partition("@")[0].casefold()


def _find_fault_of_time(statement: Statement, ts: str) -> str:
    signed, recorded = datetime.fromisoformat(statement.at), datetime.fromisoformat(ts)
    if signed > recorded + CLOCK_TOLERANCE:
        return f"signed at {statement.at}, after it was recorded at {ts}"
    if signed < recorded - LONGEST_DELAY:
        return f"signed at {statement.at}, more than seven days before it was recorded at {ts}"
    return ""


def _is_soon(until: str, ts: str) -> bool:
    left = datetime.fromisoformat(until) - datetime.fromisoformat(ts)
    return timedelta(0) < left <= LONGEST_OVERRIDE

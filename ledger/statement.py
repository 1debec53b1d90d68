"""Statements that people sign: one text for each thing that can be agreed to.

::

    assay-ledger/1 approval
    example.org/firm/workspace
    override tree
    at 2026-01-31T23:59:59.000000Z
    until 2026-02-02T00:00:00.000000Z
    reason hotfix of the calendar, reviewed on the phone

    - alice@example.org base64(...)   (drawn as a hyphen here; an em dash in the note)

What each action needs stands in `SHAPES`. `until` belongs to an override alone, `reason` may follow
any statement. What a statement changes, and who must have signed it, is for `ledger.approval`.

Invariants
----------
1. `parse_statement(statement.text, statement.origin) == statement`, and nothing else parses to it.
2. `parse_statement` raises nothing but `MalformedStatementError`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NoReturn

from ledger.digest import is_digest
from ledger.errors import ConfigError, IntegrityError
from ledger.keys import ED25519, MalformedKeyError, VerifyKey
from ledger.note import format_note, parse_note, sign_note, sign_text
from ledger.record import Draft

if TYPE_CHECKING:
    from ledger.keys import SigningKey

HEADER: Final = "assay-ledger/1 approval"
KINDS: Final = ("manifest", "lock", "code")
"""What can be approved."""
GATES: Final = ("tree", *KINDS)
"""What can be overridden; a halt cannot, it is lifted."""
LONGEST_REASON: Final = 500

_PERSON = re.compile(r"[^@/]+@[^@/]+")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_NEED_REASON: Final = frozenset({"override", "halt", "resume"})
_FEWEST_LINES: Final = 5

SHAPES: Final = {
    "enrol": "enrol <vkey of a person>",
    "dismiss": "dismiss <vkey of a person>",
    "approve": "approve manifest|lock|code <digest>",
    "withdraw": "withdraw manifest|lock|code <digest>",
    "override": f"override {'|'.join(GATES)}",
    "halt": "halt",
    "resume": "resume <hash of the halt>",
}


class MalformedStatementError(IntegrityError):
    """Text that is not a statement, or a statement that nobody could make."""

    code = "E0148"


class WrongPersonError(ConfigError):
    """A key that cannot be that of a person."""

    code = "E0150"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What somebody states.

    Attributes
    ----------
    origin : str
        Name of the ledger.
    action : str
        The first word of the line.
    subject : str
        The rest of it: a verifier key, kind and digest, a gate, the hash of a halt, or nothing.
    at : str
        When it was signed, by the clock of who signs, as records write a time.
    until : str
        When an override ends; empty for every other statement.
    reason : str
        One line of at most 500 characters.
    """

    origin: str
    action: str
    subject: str = ""
    at: str
    until: str = ""
    reason: str = ""

    @property
    def text(self) -> str:
        """The text that is signed."""
        stated = f"{self.action} {self.subject}" if self.subject else self.action
        lines = [HEADER, self.origin, stated, f"at {self.at}"]
        lines += [f"until {self.until}"] if self.until else []
        lines += [f"reason {self.reason}"] if self.reason else []
        return "\n".join(lines) + "\n"


def parse_statement(text: str, origin: str) -> Statement:
    """Return the statement that `Statement.text` wrote as `text`, about the ledger `origin`.

    Raises
    ------
    MalformedStatementError
        For every other text.
    """
    lines = text.split("\n")
    if len(lines) < _FEWEST_LINES or lines[:2] != [HEADER, origin]:
        refuse(text, f"a statement about {origin}", "another text")
    action, _, subject = lines[2].partition(" ")
    rest = dict.fromkeys(("at", "until", "reason"), "")
    rest |= {word: value for word, _, value in (line.partition(" ") for line in lines[3:-1])}
    if len(rest) != len(("at", "until", "reason")):
        refuse(text, "the lines at, until and reason", "others")
    statement = Statement(origin=origin, action=action, subject=subject, **rest)
    check_statement(statement)
    if statement.text != text:
        refuse(text, "one spelling", "another")
    return statement


def check_statement(statement: Statement) -> None:
    """Raise `MalformedStatementError` unless the parts of a statement fit together."""
    text, action = statement.text, statement.action
    if not is_time(statement.at):
        refuse(text, "at as 2026-01-31T23:59:59.000000Z", repr(statement.at))
    if bool(statement.until) != (action == "override"):
        refuse(text, "until in an override and nowhere else", action)
    if statement.until and not is_time(statement.until):
        refuse(text, "until as 2026-01-31T23:59:59.000000Z", repr(statement.until))
    if action in _NEED_REASON and not statement.reason:
        refuse(text, f"a reason for {action}", "none")
    if statement.reason and not _is_reason(statement.reason):
        refuse(text, f"a reason of one line, at most {LONGEST_REASON} characters", "another")
    if not _fits(action, statement.subject, statement.origin):
        refuse(text, SHAPES.get(action, f"one of {', '.join(SHAPES)}"), f"{action} ...")


def _fits(action: str, subject: str, origin: str) -> bool:
    """Return whether `subject` is what the action is about."""
    if action in ("approve", "withdraw"):
        kind, _, digest = subject.partition(" ")
        if kind == "code":
            return _COMMIT.fullmatch(digest) is not None
        return kind in KINDS and is_digest(digest)
    if action in ("enrol", "dismiss"):
        return _is_person(subject, origin)
    if action == "override":
        return subject in GATES
    if action == "resume":
        return is_digest(subject)
    return action == "halt" and not subject


def _is_person(text: str, origin: str) -> bool:
    try:
        key = VerifyKey.parse(text)
    except MalformedKeyError:
        return False
    return key.text == text and key.algorithm == ED25519 and is_person_name(key.name, origin)


def is_person_name(name: str, origin: str) -> bool:
    """Return whether a key with this name can be that of a person: `alice@example.org`."""
    return _PERSON.fullmatch(name) is not None and name.casefold() != origin.casefold()


def check_person(key: VerifyKey, origin: str) -> None:
    """Raise `WrongPersonError` unless `key` can be that of a person."""
    if not _is_person(key.text, origin):
        raise WrongPersonError(
            what=f"expected an Ed25519 key named like alice@example.org, found one of {key.name}",
            where="key",
            why="an approval names a person; the key of a log or a witness is none",
            fix="make one with `assay approver add alice@example.org`",
        )


def sign_statement(statement: Statement, *keys: SigningKey) -> bytes:
    """Return a statement as a note signed by `keys`.

    Raises
    ------
    MalformedStatementError
        If nobody could state it.
    """
    check_statement(statement)
    return sign_note(statement.text, *keys)


def countersign(note: bytes, key: SigningKey) -> bytes:
    """Return a note with the signature of one more key."""
    parsed = parse_note(note)
    return format_note(parsed.text, [*parsed.signatures, sign_text(parsed.text, key)])


def draft_approval(note: bytes, *, actor: str) -> Draft:
    """Return the draft of a record that holds a signed note."""
    parsed = parse_note(note)
    lines = parsed.text.split("\n")
    signer = parsed.signatures[0].name
    return _draft(" ".join((*lines[2:4], "by", signer)), actor, {"note": note.decode()})


def draft_halt(statement: Statement, *, actor: str) -> Draft:
    """Return the draft of a halt that nobody signed: whoever may append may halt."""
    check_statement(statement)
    if statement.action != "halt":
        refuse(statement.text, "a signature", "none")
    return _draft(f"halt at {statement.at}", actor, {"statement": statement.text})


def _draft(id_: str, actor: str, data: dict[str, object]) -> Draft:
    return Draft(type="approval", run_id="", step="", id=id_, actor=actor, data=data)


def write_time(moment: datetime) -> str:
    """Return an aware time as records and statements write it."""
    text = moment.astimezone(UTC).isoformat(timespec="microseconds")
    return text.replace("+00:00", "Z")


def is_time(text: str) -> bool:
    """Return whether `text` is a time as records write it."""
    if not _TIME.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_reason(text: str) -> bool:
    return text.isprintable() and text == text.strip() and len(text) <= LONGEST_REASON


def refuse(text: str, expected: str, found: str) -> NoReturn:
    """Raise `MalformedStatementError` with the beginning of the text."""
    raise MalformedStatementError(
        what=f"malformed statement: expected {expected}, found {found}",
        where=repr(text[:200]),
        why="a statement has one spelling, and names the ledger that it is about",
        fix="make it with `assay approve`, or ledger.approval.sign_statement",
    )

"""Sign-offs: what a person signs about the bytes of a report, and whether a signature holds.

::

    assay-report/1 sign-off
    example.org/firm/workspace
    reviewed <SHA-256 of the report file>
    head 21770 <hash of record 21770>
    at 2026-01-31T23:59:59.000000Z

The text is signed as a C2SP note with the key of an enrolled person and recorded as a `note` with
step `sign-off`. It is about bytes: a report of another head, or in another form, is another report
and needs its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ledger import MalformedNoteError, MalformedStatementError, VerifyKey
from ledger.note import open_note, parse_note
from ledger.statement import is_time, parse_statement

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HEADER: Final = "assay-report/1 sign-off"
ROLES: Final = ("prepared", "reviewed", "approved")

_TEXT = re.compile(
    rf"{HEADER}\n(?P<origin>[^\n]+)\n(?P<role>{'|'.join(ROLES)}) (?P<sha256>[0-9a-f]{{64}})\n"
    r"head (?P<head_seq>\d+) (?P<head_hash>[0-9a-f]{64})\nat (?P<at>[^\n]+)\n",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class SignOff:
    """What somebody signed about a report.

    Attributes
    ----------
    origin : str
        Name of the ledger.
    role : str
        `prepared`, `reviewed` or `approved`.
    sha256 : str
        Of the report file.
    head_seq, head_hash : int, str
        The record that the report stands on.
    at : str
        When it was signed, as records write a time.
    """

    origin: str
    role: str
    sha256: str
    head_seq: int
    head_hash: str
    at: str

    @property
    def text(self) -> str:
        """The text that is signed."""
        return (
            f"{HEADER}\n{self.origin}\n{self.role} {self.sha256}\n"
            f"head {self.head_seq} {self.head_hash}\nat {self.at}\n"
        )


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A statement that enrolled or dismissed a person: the record and the signed note."""

    seq: int
    action: str
    note: str


def parse_sign_off(text: str) -> SignOff | None:
    """Return what `SignOff.text` wrote, or `None` for every other text."""
    found = _TEXT.fullmatch(text)
    if found is None or not is_time(found["at"]):
        return None
    sign_off = SignOff(
        found["origin"],
        found["role"],
        found["sha256"],
        int(found["head_seq"]),
        found["head_hash"],
        found["at"],
    )
    return sign_off if sign_off.text == text else None


def judge_sign_off(
    note: str, seq: int, origin: str, enrolments: Iterable[Enrolment]
) -> tuple[SignOff | None, str, str]:
    """Return what was signed, by whom, and what is wrong with it (empty: it holds).

    Parameters
    ----------
    note : str
        The signed note of the record.
    seq : int
        The record.
    origin : str
        Name of the ledger.
    enrolments : iterable of Enrolment
        Every enrolment and dismissal of the ledger, oldest first.
    """
    try:
        parsed = parse_note(note.encode())
    except MalformedNoteError:
        return None, "", "the record holds no signed note"
    signer = parsed.signatures[0].name
    sign_off = parse_sign_off(parsed.text)
    if sign_off is None or sign_off.origin != origin:
        return None, signer, "the note is no sign-off of a report of this ledger"
    keys = [key for key in _enrolled(enrolments, origin, seq) if key.name == signer]
    if not keys:
        return sign_off, signer, "the person was not enrolled at that record"
    try:
        open_note(note.encode(), keys)
    except MalformedNoteError:
        return sign_off, signer, "the signature is wrong"
    return sign_off, signer, ""


def _enrolled(enrolments: Iterable[Enrolment], origin: str, before: int) -> Sequence[VerifyKey]:
    """Return the keys of persons who were enrolled when record `before` was written."""
    keys: dict[str, VerifyKey] = {}
    for each in enrolments:
        if each.seq >= before:
            continue
        try:
            statement = parse_statement(parse_note(each.note.encode()).text, origin)
        except (MalformedNoteError, MalformedStatementError):
            continue
        if each.action == "enrol":
            keys[statement.subject] = VerifyKey.parse(statement.subject)
        else:
            keys.pop(statement.subject, None)
    return tuple(keys.values())

"""Checkpoints: what a log had promised at a size.

The text is that of C2SP tlog-checkpoint, three lines: origin, number of records, base64 of the
RFC 6962 root. It carries no time and no extension lines. Signed, it is a note; two signed
checkpoints that no consistency proof joins are proof that the log was rewritten.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from ledger import note as notes
from ledger.digest import Digest
from ledger.note import MalformedNoteError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ledger.keys import SigningKey, VerifyKey

_ROOT_BYTES = 32
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Origin, size and root of a log at one moment.

    Parameters
    ----------
    origin : str
        The name of the ledger.
    size : int
        The number of records.
    root : Digest
        The RFC 6962 root over their hashes.
    note : bytes
        The signed note it was opened from or signed as; empty when unsigned.
    """

    origin: str
    size: int
    root: Digest
    note: bytes = field(default=b"", compare=False, repr=False)

    @property
    def text(self) -> str:
        """The three lines that are signed."""
        root = base64.b64encode(bytes.fromhex(self.root)).decode()
        return f"{self.origin}\n{self.size}\n{root}\n"


def sign_checkpoint(checkpoint: Checkpoint, *keys: SigningKey) -> Checkpoint:
    """Return the checkpoint with the note that `keys` signed."""
    signed = notes.sign_note(checkpoint.text, *keys)
    return Checkpoint(checkpoint.origin, checkpoint.size, checkpoint.root, signed)


def open_checkpoint(note: bytes, keys: Iterable[VerifyKey], *, origin: str = "") -> Checkpoint:
    """Return the checkpoint of a note that a known key signed.

    Raises
    ------
    MalformedNoteError
        If the note does not open, its text is no checkpoint, or it is of another origin.
    """
    checkpoint = parse_checkpoint(notes.open_note(note, keys).text, note)
    if origin and checkpoint.origin != origin:
        _malformed(f"a checkpoint of {origin}", f"one of {checkpoint.origin}")
    return checkpoint


def read_checkpoint(note: bytes) -> Checkpoint:
    """Return what a note claims, without checking a signature."""
    return parse_checkpoint(notes.parse_note(note).text, note)


def parse_checkpoint(text: str, note: bytes = b"") -> Checkpoint:
    """Return the checkpoint of which `text` is the text."""
    origin, _, rest = text.partition("\n")
    size, _, root = rest.partition("\n")
    try:
        decoded = base64.b64decode(root)
    except (binascii.Error, ValueError):
        decoded = b""
    if not origin or not _SIZE.fullmatch(size) or len(decoded) != _ROOT_BYTES:
        _malformed("origin, size and root", repr(text[:80]))
    checkpoint = Checkpoint(origin, int(size), Digest(decoded.hex()), note)
    # Decoding passes over what is no base64; the comparison does not.
    if checkpoint.text != text:
        _malformed("the one spelling of a checkpoint", repr(text[:80]))
    return checkpoint


def _malformed(expected: str, found: str) -> NoReturn:
    raise MalformedNoteError(
        what=f"malformed checkpoint: expected {expected}, found {found}",
        where="text of the checkpoint",
        why="a checkpoint is three lines with one spelling",
        fix="compare with another copy of the checkpoint",
    )

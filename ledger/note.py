"""Signed notes of C2SP: a text, a blank line, and one line for each signature.

::

    example.org/firm/workspace
    1234
    3xTm...=

    — example.org/firm/workspace Az3grl...=

A signature line is an em dash, the name of the key, and base64(key id || signature). Keys of
algorithm 0x01 sign the text; those of 0x04 the text with a time before it; those of 0x06
(ML-DSA-44) the fields of a checkpoint, as C2SP tlog-cosignature has them, with the time zero when
a log signs its own checkpoint: a time that the log states about itself proves nothing.

Invariants
----------
1. `open_note` returns a text only when at least one known key signed it and no known key's
   signature is wrong. Signatures of unknown keys are kept but prove nothing.
2. `open_note` and `parse_note` raise nothing but `MalformedNoteError`.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

from ledger.errors import IntegrityError
from ledger.keys import ED25519, ID_BYTES, MLDSA, SIGNATURE_BYTES, is_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ledger.keys import SigningKey, VerifyKey

MAX_NOTE: Final = 1_000_000
MAX_SIGNATURES: Final = 100
_TIME = struct.Struct(">Q")
_LABEL = b"subtree/v1\n\0"
_ROOT_BYTES = 32
_LONGEST_NAME = 255
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
_DASH = "\u2014 "


class MalformedNoteError(IntegrityError):
    """Bytes that are not a signed note, or not one that a known key signed."""

    code = "E0103"


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line."""

    name: str
    key_id: bytes
    value: bytes

    @property
    def line(self) -> str:
        """The line, LF included."""
        return f"{_DASH}{self.name} {base64.b64encode(self.key_id + self.value).decode()}\n"

    @property
    def time(self) -> int:
        """Of a cosignature: when the witness signed, in seconds since 1970."""
        return int(_TIME.unpack_from(self.value)[0])


@dataclass(frozen=True, slots=True)
class Note:
    """A text and its signatures; `verified` holds the keys whose signature was checked."""

    text: str
    signatures: tuple[Signature, ...]
    verified: tuple[VerifyKey, ...] = ()


def sign_note(text: str, *keys: SigningKey) -> bytes:
    """Return `text` as a note signed by `keys`, in their order."""
    if not text.endswith("\n") or _CONTROL.search(text):
        _malformed("a text that ends in LF and has no control characters", "another")
    return format_note(text, [sign_text(text, key) for key in keys])


def sign_text(text: str, key: SigningKey) -> Signature:
    """Return the signature line of `key` under `text`.

    Raises
    ------
    MalformedNoteError
        If an ML-DSA-44 key is to sign what is no checkpoint.
    """
    if key.algorithm == MLDSA:
        return cosign_text(text, key, time=0)
    return Signature(key.name, key.verify_key.key_id, key.sign(text.encode()))


def cosign_text(text: str, key: SigningKey, *, time: int) -> Signature:
    """Return the cosignature line of a witness under the text of a checkpoint."""
    message = _message(text, key.name, key.algorithm, time)
    if message is None:
        _malformed("the text of a checkpoint", "another")
    value = _TIME.pack(time) + key.sign(message)
    return Signature(key.name, key.verify_key.key_id, value)


def format_note(text: str, signatures: Iterable[Signature]) -> bytes:
    """Return the bytes of a note."""
    return (text + "\n" + "".join(each.line for each in signatures)).encode()


def open_note(note: bytes, keys: Iterable[VerifyKey]) -> Note:
    """Return the note, once a known key's signature was checked.

    Raises
    ------
    MalformedNoteError
        If the bytes are not a note, if a known key's signature is wrong, or if no known key signed.
    """
    parsed = parse_note(note)
    known = {(key.name, key.key_id): key for key in keys}
    verified: dict[VerifyKey, None] = {}
    for signature in parsed.signatures:
        key = known.get((signature.name, signature.key_id))
        if key is None or key in verified:
            continue
        if not verify_signature(parsed.text, signature, key):
            _malformed(f"a right signature of {key.name}", "a wrong one")
        verified[key] = None
    if not verified:
        _malformed("a signature of a known key", "none")
    return Note(parsed.text, parsed.signatures, tuple(verified))


def parse_note(note: bytes) -> Note:
    """Return text and signatures of a note, none of them checked."""
    if len(note) > MAX_NOTE:
        _malformed(f"at most {MAX_NOTE} bytes", str(len(note)))
    try:
        whole = note.decode()
    except UnicodeDecodeError:
        _malformed("UTF-8", "other bytes")
    text, blank, block = whole.rpartition("\n\n")
    if _CONTROL.search(whole) or not blank or not text or not block.endswith("\n"):
        _malformed("a text, a blank line and signature lines", "another shape")
    lines = block[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        _malformed(f"at most {MAX_SIGNATURES} signatures", str(len(lines)))
    return Note(text + "\n", tuple(_parse_line(line) for line in lines))


def verify_signature(text: str, signature: Signature, key: VerifyKey) -> bool:
    """Return whether `signature` is that of `key` under `text`."""
    value = signature.value
    if key.algorithm == ED25519:
        return key.verify(text.encode(), value)
    expected = _TIME.size + SIGNATURE_BYTES[key.algorithm]
    if len(value) != expected or signature.time >= 1 << 63:
        return False
    message = _message(text, key.name, key.algorithm, signature.time)
    return message is not None and key.verify(message, value[_TIME.size :])


def _message(text: str, name: str, algorithm: int, time: int) -> bytes | None:
    """Return what a cosignature signs, or None if the text is no checkpoint."""
    if algorithm != MLDSA:
        return f"cosignature/v1\ntime {time}\n{text}".encode()
    origin, size, root = [*text.split("\n"), "", ""][:3]
    try:
        decoded, count = base64.b64decode(root, validate=True), int(size)
    except (binascii.Error, ValueError):
        return None
    names = [each.encode() for each in (name, origin)]
    fits = all(0 < len(each) <= _LONGEST_NAME for each in names) and 0 <= count < 1 << 63
    fits = fits and str(count) == size
    if not fits or len(decoded) != _ROOT_BYTES:
        return None
    cosigner, log = (bytes([len(each)]) + each for each in names)
    return _LABEL + cosigner + _TIME.pack(time) + log + _TIME.pack(0) + _TIME.pack(count) + decoded


def _parse_line(line: str) -> Signature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    try:
        # What is no base64 is passed over here, and found by writing the line again.
        decoded = base64.b64decode(encoded)
    except (binascii.Error, ValueError):
        decoded = b""
    signature = Signature(name, decoded[:ID_BYTES], decoded[ID_BYTES:])
    if not space or not is_name(name) or not signature.value or signature.line != line + "\n":
        _malformed("a signature line", repr(line[:40]))
    return signature


def _malformed(expected: str, found: str) -> NoReturn:
    raise MalformedNoteError(
        what=f"malformed note: expected {expected}, found {found}",
        where="signed note",
        why="a note counts only when a known key signed exactly its text",
        fix="compare with another copy of the note, and check the verifier key",
    )

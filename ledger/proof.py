"""Proof that one record is in the ledger, in one file, for somebody who does not have the ledger.

The format is that of C2SP tlog-proof::

    c2sp.org/tlog-proof@v1
    extra <base64 of the record's line>
    index 4
    <base64 of each hash, from the leaf's sibling up>

    <the checkpoint, with its signatures>

The `extra` line carries the record itself, so that the file says what it proves. It is not believed
but hashed: the leaf is SHA-256(0x00 || body of the line).

Invariants
----------
1. `open_proof` returns a record only if a known key signed a checkpoint over it.
2. `open_proof` raises nothing but `MalformedProofError` and `MalformedNoteError`.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

from ledger import checkpoints, segments
from ledger.checkpoint import open_checkpoint, read_checkpoint
from ledger.errors import ConfigError, IntegrityError
from ledger.merkle import HASH_BYTES, verify_inclusion
from ledger.record import MalformedRecordError, parse_record, parse_stub
from ledger.tree import DiskTree

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ledger.checkpoint import Checkpoint
    from ledger.keys import VerifyKey
    from ledger.record import Record

HEADER: Final = "c2sp.org/tlog-proof@v1"
MAX_PROOF: Final = 1_000_000
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})", re.ASCII)


class MalformedProofError(IntegrityError):
    """Bytes that are no proof, or a proof that does not hold."""

    code = "E0137"


class NotCoveredError(ConfigError):
    """No checkpoint covers the record yet."""

    code = "E0138"


@dataclass(frozen=True, slots=True)
class Proof:
    """A record, its place, the hashes up to the root, and the checkpoint with that root."""

    line: bytes
    index: int
    path: tuple[bytes, ...]
    checkpoint: Checkpoint


def prove(root: Path, seq: int) -> bytes:
    """Return the proof of the record at `seq`, under the newest checkpoint.

    Raises
    ------
    NotCoveredError
        If no checkpoint covers the record.
    """
    checkpoint = checkpoints.read_newest(root)
    if checkpoint is None or checkpoint.size <= seq:
        raise NotCoveredError(
            what=f"no checkpoint covers record {seq}",
            where=str(root),
            why="a proof ends in a signed root over the record",
            fix="sign one with `assay checkpoint` (or `python -m ledger checkpoint`), prove again",
        )
    line = next((line for at, line in segments.iter_lines(root, seq) if at == seq), b"")
    if parse_stub(line) is not None:
        raise NotCoveredError(
            what=f"the content of record {seq} was erased",
            where=str(root),
            why="a proof carries the bytes of the record; of this one its hash is left",
            fix="prove the redaction record that names it",
        )
    path = DiskTree(root, checkpoint.size).prove_inclusion(seq)
    return format_proof(Proof(line + b"\n", seq, tuple(path), checkpoint))


def format_proof(proof: Proof) -> bytes:
    """Return the bytes of a proof."""
    head = [
        HEADER,
        f"extra {base64.b64encode(proof.line).decode()}",
        f"index {proof.index}",
        *(base64.b64encode(node).decode() for node in proof.path),
    ]
    return "\n".join([*head, "", ""]).encode() + proof.checkpoint.note


def parse_proof(data: bytes) -> Proof:
    """Return what a proof states, nothing checked but its form."""
    if len(data) > MAX_PROOF:
        _malformed(f"at most {MAX_PROOF} bytes", str(len(data)))
    head, blank, note = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        _malformed("text", "other bytes")
    extra = lines[1].removeprefix("extra ") if len(lines) > 1 else ""
    index = _INDEX.fullmatch(lines[2]) if len(lines) > len((HEADER, extra)) else None
    if not blank or lines[0] != HEADER or index is None or lines[1] != f"extra {extra}":
        _malformed(f"{HEADER}, extra and index", repr(head[:80]))
    path = tuple(_decode(each) for each in lines[3:])
    if any(len(node) != HASH_BYTES for node in path):
        _malformed("hashes of 32 bytes", "others")
    return Proof(_decode(extra), int(index[1]), path, read_checkpoint(note))


def open_proof(data: bytes, keys: Iterable[VerifyKey], *, origin: str = "") -> tuple[Record, Proof]:
    """Return the record that a proof proves, and the proof.

    Parameters
    ----------
    data : bytes
        The file.
    keys : iterable of VerifyKey
        Keys of the log that the caller trusts.
    origin : str, optional
        The ledger it must be of.

    Raises
    ------
    MalformedProofError
        If the record is not under the root of the checkpoint.
    MalformedNoteError
        If no known key signed the checkpoint.
    """
    proof = parse_proof(data)
    checkpoint = open_checkpoint(proof.checkpoint.note, keys, origin=origin)
    try:
        record = parse_record(proof.line)
    except MalformedRecordError as error:
        _malformed("a record", error.what)
    if record.seq != proof.index:
        _malformed(f"record {proof.index}", f"record {record.seq}")
    leaf, expected = bytes.fromhex(record.hash), bytes.fromhex(checkpoint.root)
    if not verify_inclusion(leaf, proof.index, checkpoint.size, proof.path, expected):
        _malformed("a record under the root of the checkpoint", "another")
    return record, proof


def _decode(text: str) -> bytes:
    try:
        decoded = base64.b64decode(text)
    except (binascii.Error, ValueError):
        _malformed("base64", repr(text[:40]))
    if base64.b64encode(decoded).decode() != text:
        _malformed("the one spelling of base64", repr(text[:40]))
    return decoded


def _malformed(expected: str, found: str) -> NoReturn:
    raise MalformedProofError(
        what=f"the proof does not hold: expected {expected}, found {found}",
        where="proof",
        why="a proof leads from one record to a signed root",
        fix="make it again from the ledger, or ask for another copy",
    )

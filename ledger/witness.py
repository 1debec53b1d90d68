"""A witness: a second party that signs what it has seen a log grow into.

It runs under another user or on another machine, knows the log's key, and remembers the newest
checkpoint it cosigned for each origin. Request and answer are the bodies of C2SP tlog-witness
`add-checkpoint`, so a pipe, ssh or a stick is transport enough::

    old 1000                       -> request: the size that the witness knows,
    <base64 of each hash>             the consistency proof from there,

    <the signed checkpoint>           and the new checkpoint

    - example.org/witness ...      <- answer: a cosignature line with its time

Invariants
----------
1. The witness cosigns only what extends everything it cosigned before for that origin.
2. What it cosigned is durable before the answer is given; one request at a time is served.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NoReturn

from ledger import checkpoints, durable
from ledger.checkpoint import open_checkpoint, read_checkpoint
from ledger.errors import ConfigError, IntegrityError
from ledger.keys import ED25519, WrongKeyError
from ledger.lock import Lock
from ledger.merkle import EMPTY_ROOT, verify_consistency
from ledger.note import (
    MalformedNoteError,
    cosign_text,
    format_note,
    parse_note,
    verify_signature,
)
from ledger.tree import DiskTree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from pathlib import Path

    from ledger.checkpoint import Checkpoint
    from ledger.keys import SigningKey, VerifyKey
    from ledger.note import Signature

MAX_PROOF_LINES: Final = 63
_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})", re.ASCII)


class MalformedRequestError(ConfigError):
    """Bytes that are not a request to a witness."""

    code = "E0139"


class OutdatedRequestError(ConfigError):
    """The request begins at another size than the witness has cosigned."""

    code = "E0140"


class WitnessRefusalError(IntegrityError):
    """The checkpoint does not extend what the witness cosigned before, or is not signed."""

    code = "E0141"


class Witness:
    """Cosigns checkpoints of the logs it knows.

    Parameters
    ----------
    folder : Path
        Where it remembers what it cosigned; nobody else may write there.
    key : SigningKey
        Its cosigning key.
    logs : iterable of VerifyKey
        The keys of the logs it serves.
    clock : Callable[[], datetime]
        Gives the time that a cosignature states.
    """

    def __init__(
        self,
        folder: Path,
        *,
        key: SigningKey,
        logs: Iterable[VerifyKey],
        clock: Callable[[], datetime],
    ) -> None:
        if key.algorithm == ED25519:
            raise WrongKeyError(
                what="expected a cosigning key, found one of a log",
                where=key.name,
                why="a witness signs with a time, under an algorithm of its own",
                fix="generate the key with `--witness` or `--mldsa`",
            )
        self._folder = folder
        self._key = key
        self._logs = tuple(logs)
        self._clock = clock

    def add_checkpoint(self, request: bytes) -> bytes:
        """Return the cosignature line for the checkpoint of a request.

        Raises
        ------
        MalformedRequestError
            If the bytes are not a request.
        OutdatedRequestError
            If it begins at another size than the witness knows; the error says at which.
        WitnessRefusalError
            If the checkpoint does not extend what was cosigned before.
        """
        old_size, proof, note = parse_request(request)
        try:
            checkpoint = open_checkpoint(note, self._logs)
        except MalformedNoteError as error:
            raise _refuse(error.what) from error
        durable.make_folder(self._folder)
        lock = Lock(self._folder / "lock")
        try:
            with lock.held(wait_seconds=10):
                self._check(checkpoint, old_size, proof)
                durable.replace(self._path(checkpoint.origin), checkpoint.note)
        finally:
            lock.close()
        time = int(self._clock().timestamp())
        return cosign_text(checkpoint.text, self._key, time=time).line.encode()

    def size_of(self, origin: str) -> int:
        """Return the size up to which the witness has cosigned a log."""
        known = self._known(origin)
        return known.size if known else 0

    def _check(self, checkpoint: Checkpoint, old_size: int, proof: list[bytes]) -> None:
        known = self._known(checkpoint.origin)
        size = known.size if known else 0
        if old_size != size:
            raise OutdatedRequestError(
                what=f"the witness knows {size} records, the request begins at {old_size}",
                where=checkpoint.origin,
                why="the proof must begin where the witness left off",
                fix=f"make the request with --old {size}",
            )
        root = bytes.fromhex(checkpoint.root)
        if known is None or size == 0:
            holds = not proof and (checkpoint.size > 0 or root == EMPTY_ROOT)
        else:
            old_root = bytes.fromhex(known.root)
            holds = verify_consistency(size, checkpoint.size, proof, old_root, root)
        if not holds:
            raise _refuse(f"{checkpoint.size} records do not extend the {size} that were cosigned")

    def _known(self, origin: str) -> Checkpoint | None:
        path = self._path(origin)
        return read_checkpoint(path.read_bytes()) if path.exists() else None

    def _path(self, origin: str) -> Path:
        return self._folder / hashlib.sha256(origin.encode()).hexdigest()


def make_request(root: Path, old_size: int) -> bytes:
    """Return the request for the newest checkpoint of a ledger, from `old_size` on."""
    checkpoint = checkpoints.read_newest(root)
    if checkpoint is None or old_size > checkpoint.size:
        raise ConfigError(
            what=f"no checkpoint of {old_size} records or more",
            where=str(root),
            why="a witness cosigns a checkpoint that the log has signed",
            fix="sign a checkpoint first",
        )
    tree = DiskTree(root, checkpoint.size)
    proof = tree.prove_consistency(old_size) if old_size else []
    lines = [f"old {old_size}", *(base64.b64encode(node).decode() for node in proof), "", ""]
    return "\n".join(lines).encode() + checkpoint.note


def parse_request(request: bytes) -> tuple[int, list[bytes], bytes]:
    """Return the old size, the proof and the note of a request."""
    head, blank, note = request.partition(b"\n\n")
    lines = head.decode("latin-1").split("\n")
    old = _OLD.fullmatch(lines[0])
    if not blank or old is None or len(lines) > 1 + MAX_PROOF_LINES:
        _malformed("old, hashes, a blank line and a checkpoint")
    try:
        proof = [base64.b64decode(line, validate=True) for line in lines[1:]]
    except (binascii.Error, ValueError):
        _malformed("hashes in base64")
    return int(old[1]), proof, note


def add_cosignature(root: Path, answer: bytes, witness: VerifyKey) -> Checkpoint:
    """Add the line of a witness to the newest checkpoint, once it verifies.

    A line of the same witness that is there already is replaced.

    Raises
    ------
    WitnessRefusalError
        If the line is not that witness's cosignature of the checkpoint.
    """
    checkpoint = checkpoints.read_newest(root)
    if checkpoint is None:
        raise _refuse("there is no checkpoint")
    note = parse_note(checkpoint.note)
    line = _read_line(checkpoint.text, answer, witness)
    kept = [each for each in note.signatures if each.key_id != line.key_id]
    signed = format_note(note.text, [*kept, line])
    cosigned = replace(checkpoint, note=signed)
    checkpoints.publish(root, cosigned)
    return cosigned


def _read_line(text: str, answer: bytes, witness: VerifyKey) -> Signature:
    try:
        (line,) = parse_note(text.encode() + b"\n" + answer).signatures
    except (MalformedNoteError, ValueError) as error:
        raise _refuse("the answer is not one signature line") from error
    known = (line.name, line.key_id) == (witness.name, witness.key_id)
    if not known or not verify_signature(text, line, witness):
        raise _refuse(f"the answer is not {witness.name}'s cosignature of the newest checkpoint")
    return line


def _refuse(why: str) -> WitnessRefusalError:
    return WitnessRefusalError(
        what=f"no cosignature: {why}",
        where="checkpoint",
        why="a witness signs only what extends all that it has seen",
        fix="compare the checkpoint with earlier ones; two that do not fit are proof of a rewrite",
    )


def _malformed(expected: str) -> NoReturn:
    raise MalformedRequestError(
        what=f"malformed request: expected {expected}",
        where="request",
        why="a request is the body of C2SP tlog-witness add-checkpoint",
        fix="make it with `python -m ledger request`",
    )

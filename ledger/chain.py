"""Reading records in order, each checked to state its own hash and that of the record before.

Spelling, fields and pairing are not checked here: that is what `ledger.verify` is for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ledger import segments
from ledger.digest import ZERO, sha256
from ledger.errors import IntegrityError
from ledger.record import hash_of_line, link_of_line, parse_stub, read_record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ledger.record import Record


_REDACTION: Final = b'"type":"redaction"'


class BrokenChainError(IntegrityError):
    """A record does not state its own hash, or not that of the record before."""

    code = "E0109"


def read_records(root: Path, start: int = 0, stop: int | None = None) -> Iterator[Record]:
    """Yield the records of the ledger in `root` from seq `start` up to, not including, `stop`.

    No lock is taken and nothing is written. Bytes after the last whole line are left out: a
    writer may be at work.

    Raises
    ------
    BrokenChainError
        At the first record that does not hold.
    """
    for seq, line, _ in checked_lines(root, start, stop):
        record = read_record(line)
        if record.seq != seq:
            raise broken(root, seq)
        yield record


def checked_lines(
    root: Path, start: int = 0, stop: int | None = None
) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield seq, line without LF, and hash of the records from `start` up to `stop`."""
    before = link_before(root, start)
    redactions = Redactions(root)
    for seq, line in segments.iter_lines(root, start):
        if stop is not None and seq >= stop:
            return
        digest = hash_of_line(line) or redactions.hash_of_stub(seq, line)
        if not digest or link_of_line(line) != before:
            raise broken(root, seq)
        before = digest.hex().encode()
        yield seq, line, digest


class Redactions:
    """What the `redaction` records of a ledger allow to be gone; read when it is first asked.

    Parameters
    ----------
    root : Path
        The folder of the ledger.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._allowed: dict[tuple[int, str], int] | None = None

    def hash_of_stub(self, seq: int, line: bytes) -> bytes:
        """Return the hash that the stub at `seq` states, or nothing if no later record allows it.

        Whether that record is under a checkpoint is for `ledger.verify` to say.
        """
        stub = parse_stub(line)
        if stub is None:
            return b""
        if self._allowed is None:
            found = iter_redactions(self._root)
            self._allowed = {erased: each.seq for each in found for erased in erased_by(each)}
        allowed = self._allowed.get((seq, sha256(line)), -1) > seq
        return bytes.fromhex(stub.hash) if allowed else b""


def iter_redactions(root: Path) -> Iterator[Record]:
    """Yield the `redaction` records of the ledger, each checked to state its own hash."""
    for _, line in segments.iter_lines(root):
        if _REDACTION in line and hash_of_line(line):
            record = read_record(line)
            if record.type == "redaction":
                yield record


def erased_by(record: Record) -> Iterator[tuple[int, str]]:
    """Yield seq and digest of the stub that a redaction record allows, if it is one of a line."""
    seq, stub = record.data.get("seq"), record.data.get("stub")
    if type(seq) is int and isinstance(stub, str):
        yield seq, stub


def link_before(root: Path, start: int) -> bytes:
    """Return the hash, as text, that the record at `start` must name as the one before."""
    if start == 0:
        return ZERO.encode()
    for segment in segments.list_segments(root):
        summary = segments.read_summary(root, segment.first) if segment.closed else None
        if summary and summary.first + summary.count == start:
            return summary.head.encode()
    for _, line in segments.iter_lines(root, start - 1):
        return segments.line_hash(line).hex().encode()
    return b""


def broken(root: Path, seq: int) -> BrokenChainError:
    """Return the error for a record that does not hold, or is not there."""
    return BrokenChainError(
        what=f"the chain is broken at record {seq}",
        where=str(root),
        why="the record is missing, or does not state its own hash and that of the record before",
        fix="run `python -m ledger verify` for the whole picture",
    )

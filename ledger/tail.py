"""The end of the active segment: where the next line goes, and what a crash left there.

States of the file, as the next writer finds it under the lock::

    clean   ends in LF; the last line states its own hash      -> append after it
    torn    bytes after the last LF, or NUL bytes in the tail  -> quarantine, truncate, go on
    else    a whole line that does not state its own hash      -> refuse: altered, not torn

A torn tail was never acknowledged: the append that wrote it did not return. Its bytes are kept in
`quarantine/`, and a `recovery` record states their number and digest.

Invariants
----------
1. What is cut lies after every record that an append acknowledged, and above every checkpoint.
2. The quarantined bytes are durable before the file is cut.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ledger import durable
from ledger.digest import sha256
from ledger.errors import IntegrityError
from ledger.record import MAX_LINE, MalformedRecordError, parse_record
from ledger.segments import NoLedgerError, read_summary

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.digest import Digest
    from ledger.segments import Summary

_BLOCK: Final = MAX_LINE + 1


class AlteredTailError(IntegrityError):
    """The last line is whole but is not the one that was written."""

    code = "E0108"


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of the whole lines of the active segment.

    Parameters
    ----------
    first : int
        The seq of the first record of the active segment.
    count : int
        The number of records of the ledger.
    head : Digest
        The hash of the last record.
    ts : str
        Its time.
    size : int
        The number of bytes of whole lines in the active segment.
    """

    first: int
    count: int
    head: Digest
    ts: str
    size: int


def read_tail(descriptor: int, size: int, before: Summary | None, *, where: str) -> Tail:
    """Return the end of the whole lines among the first `size` bytes of the active segment.

    Raises
    ------
    AlteredTailError
        If the last whole line does not state its own hash and holds no NUL byte.
    NoLedgerError
        If there is no whole line and no segment before.
    """
    end = size
    while end := _last_end(descriptor, end):
        start = _last_end(descriptor, end - 1)
        line = os.pread(descriptor, end - start, start)
        if b"\x00" not in line:
            return _tail_of(line, end, before, where)
        end = start
    if before is None:
        raise NoLedgerError(
            what="the ledger has no first record",
            where=where,
            why="a ledger is made with its genesis record in one step; these bytes are another's",
            fix="restore the file from a copy, or move it away and make a ledger",
        )
    return Tail(before.first + before.count, before.first + before.count, before.head, before.ts, 0)


def summary_before(root: Path, first: int, records: int) -> Summary | None:
    """Return the summary of the segment before the one that begins at `first`."""
    return read_summary(root, first - records) if first else None


def cut(descriptor: int, root: Path, tail: Tail, size: int, *, where: str) -> dict[str, object]:
    """Move the bytes after the whole lines to quarantine; return what a recovery record states."""
    torn = os.pread(descriptor, size - tail.size, tail.size)
    digest = sha256(torn)
    folder = root / "quarantine"
    durable.make_folder(folder)
    name = f"{tail.count:012d}-{digest[:16]}"
    durable.create(folder / name, torn)
    durable.truncate(descriptor, tail.size, where=where)
    return {
        "reason": "torn tail",
        "bytes": len(torn),
        "sha256": digest,
        "offset": tail.size,
        "quarantine": name,
    }


def _last_end(descriptor: int, end: int) -> int:
    """Return the offset after the last LF before `end`, or 0."""
    while end:
        start = max(end - _BLOCK, 0)
        at = os.pread(descriptor, end - start, start).rfind(b"\n")
        if at >= 0:
            return start + at + 1
        end = start
    return 0


def _tail_of(line: bytes, end: int, before: Summary | None, where: str) -> Tail:
    try:
        record = parse_record(line)
    except MalformedRecordError as error:
        raise AlteredTailError(
            what="the last line is whole but not the one that was written",
            where=f"{where}, bytes {end - len(line)} to {end}",
            why=error.what,
            fix="run `python -m ledger verify`; nothing is appended to an altered ledger",
        ) from error
    first = before.first + before.count if before else 0
    return Tail(first, record.seq + 1, record.hash, record.ts, end)

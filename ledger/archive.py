"""Compressing closed segments: the same lines in less space.

A closed segment is never written again, so it may be stored with gzip. Its lines, hashes, subtree
root and summary are the same; `zcat` and every reader of this package see no difference.

Invariants
----------
1. The compressed file was read back and compared before the plain one is removed.
2. The same segment gives the same bytes: no name and no time stand in the header.
3. After a crash in between both files are there; the plain one counts, and the next call finishes.
"""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

from ledger import durable, segments
from ledger.errors import StorageError

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.log import Log
    from ledger.segments import Segment


class CompressionError(StorageError):
    """What was read back is not what was compressed."""

    code = "E0158"


def compress(log: Log) -> list[Path]:
    """Compress every closed segment that is not; return the files that were made."""
    with log.held():
        found = segments.list_segments(log.path)
        return [_compress(each) for each in found if each.closed and _is_plain(each)]


def _is_plain(segment: Segment) -> bool:
    return segment.path is not None and segment.path.suffix != ".gz"


def _compress(segment: Segment) -> Path:
    plain = segment.path
    assert plain is not None  # noqa: S101 - the caller has looked
    packed = plain.with_name(plain.name + ".gz")
    data = plain.read_bytes()
    durable.replace(packed, gzip.compress(data, mtime=0), mode=0o444)
    if gzip.decompress(packed.read_bytes()) != data:
        durable.remove(packed)
        raise CompressionError(
            what="the compressed segment does not read back as it was",
            where=str(packed),
            why="memory or disk changed bytes on the way",
            fix="check the machine; the segment itself is untouched",
        )
    durable.remove(plain)
    return packed

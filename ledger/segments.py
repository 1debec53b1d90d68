"""The files of a ledger: one active segment and the closed ones before it.

::

    audit-000000000000.jsonl      records 0..65535, closed, never written again
    audit-000000065536.jsonl.gz   a closed segment may be compressed; all but the first, moved away
    audit.jsonl                   the active segment
    segments/000000000000         what a closed segment came to: count, head, subtree root

A segment holds a power of two of records, so each closed one is a perfect subtree and the tree
extends over it with one hash. The number of records in a segment is pinned in the genesis record.

Invariants
----------
1. The records of a closed segment come before those of the next; names sort in that order.
2. A full segment gets its closed name, then its summary is durable, then the next active segment
   is made. After a crash in between there is no active segment, and opening goes on from there.

Known limits: a summary is not signed. It is believed only as far as the root of a signed
checkpoint that covers it agrees.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import re
import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, BinaryIO, Final, NoReturn, cast

from ledger import canonical, durable
from ledger.digest import Digest, is_digest
from ledger.errors import ConfigError, IntegrityError
from ledger.merkle import tree_root
from ledger.record import MAX_LINE, TAIL, read_record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ledger.record import Record

ACTIVE: Final = "audit.jsonl"
RECORDS: Final = 65_536
FORMAT: Final = "assay-ledger/1"
_CHUNK = 1 << 20
_ATTEMPTS = 20
_PAUSE = 0.002
_CLOSED = re.compile(r"audit-([0-9]{12})\.jsonl(\.gz)?", re.ASCII)
_SUMMARY = re.compile(r"[0-9]{12}", re.ASCII)


class MalformedLedgerError(IntegrityError):
    """The files of a ledger do not fit together."""

    code = "E0106"


class NoLedgerError(ConfigError):
    """No ledger where one was expected, or a part of it was moved away."""

    code = "E0124"


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of records; without a path it was moved away and its summary alone is left.

    The active segment of a snapshot keeps its open file: its name may pass to the next one.
    """

    first: int
    path: Path | None
    closed: bool
    file: BinaryIO | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a closed segment came to."""

    first: int
    count: int
    head: Digest
    root: Digest
    ts: str
    size: int
    sha256: Digest


@dataclass(frozen=True, slots=True)
class Genesis:
    """What the first record pins."""

    origin: str
    vkey: str
    segment: int
    cosigner: str = ""


class LineReader:
    """The lines of a stream, in lists, without their LF.

    `block` holds the bytes of the current list, `torn` at the end what stood after the last LF.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.block = b""
        self.torn = b""

    def __iter__(self) -> Iterator[list[bytes]]:
        """Yield lists of lines until the stream ends."""
        rest = b""
        while chunk := self._stream.read(_CHUNK):
            self.block = rest + chunk
            lines = self.block.split(b"\n")
            rest = lines.pop()
            if lines:
                yield lines
        self.torn = rest


def list_segments(root: Path) -> list[Segment]:
    """Return the segments in order; the active one last, if it is there."""
    paths: dict[int, Path | None] = {
        int(name): None for name in _names(root / "segments") if _SUMMARY.fullmatch(name)
    }
    for name in sorted(_names(root), reverse=True):
        if match := _CLOSED.fullmatch(name):
            paths[int(match[1])] = root / name
    segments = [Segment(first, paths[first], closed=True) for first in sorted(paths)]
    if (root / ACTIVE).exists():
        first = segments[-1].first + _records_in(root, segments) if segments else 0
        segments.append(Segment(first, root / ACTIVE, closed=False))
    return segments


@contextlib.contextmanager
def snapshot(root: Path) -> Iterator[list[Segment]]:
    """Give the segments as they are at one moment, while a writer may close one.

    The active file is opened first and the closed ones are listed after it. If it is not among
    them, it was still the active one when they were listed.
    """
    with contextlib.ExitStack() as stack:
        for attempt in range(_ATTEMPTS):
            file = _open_active(root)
            if file is not None:
                stack.enter_context(file)
            segments = list_segments(root)
            if _is_active(file, segments):
                break
            time.sleep(_PAUSE * attempt)
        yield [each if each.closed else replace(each, file=file) for each in segments]


def _open_active(root: Path) -> BinaryIO | None:
    try:
        return (root / ACTIVE).open("rb")
    except FileNotFoundError:
        return None


def _is_active(file: BinaryIO | None, segments: list[Segment]) -> bool:
    """Return whether `file` is the last of `segments`, and they are complete."""
    if file is None or not segments or segments[-1].closed:
        # Between two segments there is no active one, and before the first there is nothing.
        return not segments
    opened = os.fstat(file.fileno())
    closed = [each.path for each in segments if each.closed and each.path]
    try:
        return not (closed and os.path.samestat(opened, closed[-1].stat()))
    except FileNotFoundError:
        # Compressed since it was listed.
        return False


def _records_in(root: Path, closed: list[Segment]) -> int:
    """Return how many records a closed segment holds, by what is nearest at hand."""
    for segment in closed:
        with contextlib.suppress(MalformedLedgerError):
            if summary := read_summary(root, segment.first):
                return summary.count
    return closed[1].first - closed[0].first if len(closed) > 1 else RECORDS


def read_genesis(root: Path) -> Genesis:
    """Return what the first record pins, without checking the record.

    Raises
    ------
    NoLedgerError
        If there is no first record.
    MalformedLedgerError
        If it is not the genesis of a ledger of this format.
    """
    data = _first_record(root).data
    origin, vkey, segment = data.get("origin"), data.get("vkey"), data.get("segment")
    cosigner = data.get("cosigner", "")
    if (
        data.get("format") != FORMAT
        or not isinstance(origin, str)
        or not isinstance(vkey, str)
        or not isinstance(cosigner, str)
        or type(segment) is not int
        or not _is_full(segment)
    ):
        raise MalformedLedgerError(
            what=f"expected a genesis record of {FORMAT}, found another first record",
            where=str(root),
            why="the first record pins the origin, the key and the format",
            fix="name the right folder, or use the version of the software that wrote it",
        )
    return Genesis(origin, vkey, segment, cosigner)


def _first_record(root: Path) -> Record:
    with snapshot(root) as segments:
        if not segments:
            raise no_ledger(root)
        with open_segment(segments[0]) as stream:
            return read_record(stream.readline())


def no_ledger(root: Path) -> NoLedgerError:
    """Return the error for a folder without a ledger."""
    return NoLedgerError(
        what="no ledger here",
        where=str(root),
        why=f"there is neither {ACTIVE} nor a first segment",
        fix="name the folder that holds it, or make one with Log.create",
    )


def open_segment(segment: Segment) -> BinaryIO:
    """Open the bytes of a segment, decompressed."""
    if segment.file is not None:
        file = os.fdopen(os.dup(segment.file.fileno()), "rb")
        file.seek(0)
        return file
    if segment.path is None:
        _refuse_moved(segment.first)
    if segment.path.suffix == ".gz":
        return cast("BinaryIO", gzip.open(segment.path, "rb"))
    try:
        return segment.path.open("rb")
    except FileNotFoundError:
        packed = segment.path.with_name(segment.path.name + ".gz")
        if not (segment.closed and packed.exists()):
            raise
        # It was compressed since the segments were listed.
        return cast("BinaryIO", gzip.open(packed, "rb"))


def _refuse_moved(first: int) -> NoReturn:
    raise NoLedgerError(
        what=f"the segment of record {first} was moved away",
        where=f"segments/{first:012d}",
        why="only its summary is here; the first segment always stays, it holds the genesis record",
        fix="bring the file back into the folder of the ledger; it may be compressed",
    )


def iter_lines(root: Path, start: int = 0) -> Iterator[tuple[int, bytes]]:
    """Yield seq and line, without its LF, of all whole lines from seq `start` on."""
    with snapshot(root) as segments:
        for at, segment in enumerate(segments):
            if at + 1 < len(segments) and segments[at + 1].first <= start:
                continue
            seq = segment.first
            with open_segment(segment) as stream:
                for lines in LineReader(stream):
                    skip = min(max(start - seq, 0), len(lines))
                    yield from enumerate(lines[skip:], seq + skip)
                    seq += len(lines)


def iter_places(root: Path, first: int, offset: int) -> Iterator[tuple[int, int, bytes]]:
    """Yield segment, offset and line from a place on; segments that were moved away are left out.

    A line is given without its LF; what follows the last LF is no line.
    """
    with snapshot(root) as segments:
        for segment in segments:
            if segment.first < first or segment.path is None:
                continue
            at = offset if segment.first == first else 0
            with open_segment(segment) as stream:
                stream.seek(at)
                for lines in LineReader(stream):
                    for line in lines:
                        yield segment.first, at, line
                        at += len(line) + 1


def read_line(root: Path, first: int, offset: int) -> bytes:
    """Return the line, LF included, that begins at `offset` of a segment."""
    segment = next((each for each in list_segments(root) if each.first == first), None)
    with open_segment(segment or Segment(first, None, closed=True)) as stream:
        stream.seek(offset)
        return stream.readline(MAX_LINE + 1)


def close_active(root: Path, first: int) -> None:
    """Give the full active segment its closed name, sum it up and make the next active one."""
    path = root / f"audit-{first:012d}.jsonl"
    # Summed up before, so that readers find no active segment for a moment only.
    summary = summarize(Segment(first, root / ACTIVE, closed=False))
    (root / ACTIVE).chmod(0o444)
    durable.rename(root / ACTIVE, path)
    write_summary(root, summary)
    durable.create(root / ACTIVE, b"", mode=0o644)


def finish_closing(root: Path) -> None:
    """Do what a crash left undone: the summary of the last segment, and a new active one."""
    if (root / ACTIVE).exists():
        return
    closed = list_segments(root)
    if not closed:
        return
    if read_summary(root, closed[-1].first) is None:
        write_summary(root, summarize(closed[-1]))
    durable.create(root / ACTIVE, b"", mode=0o644)


def line_hash(line: bytes) -> bytes:
    """Return the 32 bytes of the hash that a line states, LF not counted."""
    return bytes.fromhex(line[-TAIL + 9 : -2].decode())


def summarize(segment: Segment) -> Summary:
    """Return the summary of a full segment, from the hashes that its lines state."""
    leaves: list[bytes] = []
    digest = hashlib.sha256()
    size, last = 0, b""
    with open_segment(segment) as stream:
        for lines in LineReader(stream):
            leaves += map(line_hash, lines)
            whole = b"\n".join(lines) + b"\n"
            digest.update(whole)
            size += len(whole)
            last = lines[-1]
    return Summary(
        first=segment.first,
        count=len(leaves),
        head=Digest(leaves[-1].hex()),
        root=Digest(tree_root(leaves).hex()),
        ts=read_record(last).ts,
        size=size,
        sha256=Digest(digest.hexdigest()),
    )


def write_summary(root: Path, summary: Summary) -> None:
    """Make the summary of a closed segment durable."""
    durable.make_folder(root / "segments")
    path = root / "segments" / f"{summary.first:012d}"
    durable.replace(path, canonical.dumps(asdict(summary)) + b"\n", mode=0o444)


def read_summary(root: Path, first: int) -> Summary | None:
    """Return the summary of the segment that begins at seq `first`, or None if there is none."""
    path = root / "segments" / f"{first:012d}"
    if not path.exists():
        return None
    try:
        value = canonical.loads(path.read_bytes().removesuffix(b"\n"))
        summary = Summary(**cast("dict[str, object]", value))  # type: ignore[arg-type]
    except (canonical.NotCanonicalError, TypeError) as error:
        raise _malformed_summary(path) from error
    digests = (summary.head, summary.root, summary.sha256)
    counts = (summary.first, summary.count, summary.size)
    if not all(map(is_digest, digests)) or not all(type(each) is int for each in counts):
        raise _malformed_summary(path)
    if summary.first != first or not _is_full(summary.count):
        raise _malformed_summary(path)
    return summary


def _is_full(count: int) -> bool:
    return count > 0 and count & (count - 1) == 0


def _malformed_summary(path: Path) -> MalformedLedgerError:
    return MalformedLedgerError(
        what="malformed summary of a closed segment",
        where=str(path),
        why="a summary is one line of canonical JSON with digests and counts",
        fix="move it away; opening the ledger writes it again from the segment",
    )


def _names(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()] if folder.is_dir() else []

"""Where each record of a ledger stands, so that a page reads the lines it shows and no others.

The index holds names, hashes and places; never a payload. It believes nothing: a record is read
from its place in the ledger when it is shown, must have its own hash, and must have the hash that
the index was made with.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, NamedTuple, cast

from ledger import BrokenChainError, is_digest, parse_record
from ledger.record import parse_stub
from ledger.segments import iter_places, list_segments, read_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ledger import Record


class Entry(NamedTuple):
    """One record: what it is called and where it begins.

    Attributes
    ----------
    seq, hash, type, id, run_id, step, status, ts
        As the line states them.
    first, offset : int
        Segment and byte.
    """

    seq: int
    hash: str
    type: str
    id: str
    run_id: str
    step: str
    status: str
    ts: str
    first: int
    offset: int


class LedgerIndex:
    """The places of all records of a ledger, in the order of the file.

    One thread extends it while others read: lists grow at their end, and nothing is iterated that
    may change its size.

    Parameters
    ----------
    root : Path
        The folder of the ledger.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._next = (0, 0)
        self.entries: list[Entry] = []
        self.unreadable = 0
        self._by_hash: dict[str, Entry] = {}
        self._by_id: dict[str, dict[str, Entry]] = {}
        self._of_run: dict[str, list[Entry]] = {}
        self._opened: list[Entry] = []

    def extend(self) -> None:
        """Add the records that were appended since."""
        for first, offset, line in iter_places(self._root, *self._next):
            self._next = (first, offset + len(line) + 1)
            entry = _entry(line, first, offset)
            if entry is None:
                self.unreadable += 1
                continue
            self.entries.append(entry)
            self._by_hash.setdefault(entry.hash, entry)
            self._by_id.setdefault(entry.id, {})[entry.type] = entry
            of_run = self._of_run.setdefault(entry.run_id, [])
            if _opens(entry) and not any(_opens(each) for each in of_run):
                self._opened.append(entry)
            of_run.append(entry)

    def holds(self) -> bool:
        """Tell whether the last record is still where it was: then the ledger only grew."""
        if not self.entries:
            return False
        last = self.entries[-1]
        if all(segment.first != last.first for segment in list_segments(self._root)):
            return False
        found = _entry(read_line(self._root, last.first, last.offset), last.first, last.offset)
        return found == last

    def get(self, digest: str) -> Entry | None:
        """Return the record with that hash."""
        return self._by_hash.get(digest)

    def named(self, id_: str) -> dict[str, Entry]:
        """Return type -> record of an id; empty if there is none."""
        return dict(self._by_id.get(id_, {})) if id_ else {}

    def of_run(self, run_id: str) -> list[Entry]:
        """Return the records of a run, in order."""
        return self._of_run.get(run_id, [])

    def runs(self) -> list[Entry]:
        """Return the opening records of all runs, in order."""
        return list(self._opened)

    def closing(self, run_id: str) -> Entry | None:
        """Return the last closing record of a run; None while it is open."""
        closed = (
            each
            for each in reversed(self.of_run(run_id))
            if each.type == "run" and each.status != "open"
        )
        return next(closed, None)

    def find(self, text: str) -> Iterator[Entry]:
        """Yield the records that a person may mean: by seq, hash, id, or the beginning of both."""
        numbered = next((e for e in self.entries if str(e.seq) == text), None)
        if numbered is not None:
            yield numbered
            return
        exact = self._by_hash.get(text) or next(iter(self.named(text).values()), None)
        if exact is not None:
            yield exact
            return
        for entry in self.entries:
            if entry.hash.startswith(text) or (entry.id and text in entry.id):
                yield entry

    def read(self, entry: Entry) -> Record:
        """Return a record from its place in the ledger.

        Raises
        ------
        BrokenChainError
            If another record stands there now.
        LedgerError
            If the bytes there are no record, or do not have their own hash.
        """
        line = read_line(self._root, entry.first, entry.offset)
        record = parse_stub(line.removesuffix(b"\n")) or parse_record(line)
        if record.hash != entry.hash:
            raise BrokenChainError(
                what=f"record {entry.seq} is not the one that was indexed",
                where=f"{self._root}, segment {entry.first}, byte {entry.offset}",
                why="a ledger is only appended to; this line was replaced",
                fix="run `assay verify`; restore the ledger from a copy",
            )
        return record


def _opens(entry: Entry) -> bool:
    return entry.type == "run" and entry.status == "open"


def _entry(line: bytes, first: int, offset: int) -> Entry | None:
    """Return the entry of a line, or None if it is no record."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    if not isinstance(found, dict) or type(found.get("seq")) is not int:
        return None
    names = ("type", "id", "run_id", "step", "status", "ts")
    texts = [found.get(name, "") for name in names]
    if not is_digest(found.get("hash")) or not all(isinstance(text, str) for text in texts):
        return None
    type_, id_, run_id, step, status, ts = cast("list[str]", texts)
    return Entry(
        seq=found["seq"],
        hash=found["hash"],
        type=sys.intern(type_),
        id=id_,
        run_id=sys.intern(run_id),
        step=sys.intern(step),
        status=sys.intern(status),
        ts=ts,
        first=first,
        offset=offset,
    )

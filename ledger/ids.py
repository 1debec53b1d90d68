"""Finding a record by its type and id, for the writer.

`Ids` keeps the table of `ledger.index` in step with the lines. What the table does not cover it
reads from the lines, and after a restart of the machine it checks the active segment on the way: a
tail that a power failure left in pieces shows here, and not in its last line alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ledger import segments
from ledger.index import Index, Place, Position, run_of, tag_of
from ledger.record import TAIL, hash_of_line, read_record

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ledger.record import Record
    from ledger.tail import Tail

# Type, id and run of a line in canonical form, from its end: what follows `id` at the top level.
_ENVELOPE = re.compile(
    rb'"id":"([^"\\]+)"(?:,"inputs":\{[^{}]*\})?(?:,"outputs":\{[^{}]*\})?'
    rb',"prev_hash":"[0-9a-f]{64}"(?:,"run_id":"([^"\\]*)")?,"seq":[0-9]+'
    rb'(?:,"status":"[^"\\]*")?(?:,"step":"[^"\\]*")?,"ts":"[^"\\]*","type":"([a-z]+)","v":1'
    rb',"hash":"[0-9a-f]{64}"\}\Z'
)


class Ids:
    """The ids of one ledger."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._index = Index(root / "cache" / "ids")
        # Asked for every record.
        self.find = self._index.find

    def sync(self, tail: Tail) -> Place | None:
        """Bring the table up to `tail`; return the place of a line that is torn, if one is found.

        A line is torn if it does not state its own hash and holds a NUL byte.
        """
        target = Position(Place(tail.first, tail.size), bytes.fromhex(tail.head))
        position = self._index.attach()
        if position == target:
            return None
        if position is None or not self._stands(position):
            self._index.reset()
            position = Position(Place(0, 0), bytes(32))
        return self._read_on(position, target)

    def read(self, place: Place) -> Record:
        """Return the record whose line stands at `place`."""
        return read_record(segments.read_line(self._root, *place))

    def enter(self, entries: Iterable[tuple[bytes, Place, int]], position: Position) -> None:
        """Add records that are durable, and say that the table covers all up to `position`."""
        for tag, place, run in entries:
            self._index.add(tag, place, run)
        self._index.cover(position)

    def forget(self) -> None:
        """Empty the table, for every process that uses it: lines are about to move."""
        self._index.attach()
        self._index.reset()

    def close(self) -> None:
        """Let the table go."""
        self._index.close()

    def _stands(self, position: Position) -> bool:
        """Return whether the record that the table covers last is in the ledger at its place."""
        (first, offset), head = position
        try:
            line = segments.read_line(self._root, first, max(offset - TAIL - 1, 0))
        except segments.NoLedgerError:
            return False
        return line[9:-3] == head.hex().encode()

    def _read_on(self, position: Position, target: Position) -> Place | None:
        known = position.place
        for first, offset, line in segments.iter_places(self._root, *known):
            place = Place(first, offset)
            if first == target.place.segment and b"\x00" in line and not hash_of_line(line):
                return place
            kind, key, run = _envelope(line)
            if key:
                self._index.add(tag_of(kind, key), place, run_of(run))
        self._index.cover(target)
        return None


def _envelope(line: bytes) -> tuple[str, str, str]:
    if match := _ENVELOPE.search(line):
        key, run, kind = match.groups(b"")
        return kind.decode(), key.decode(), run.decode()
    record = read_record(line)
    return record.type, record.id, record.run_id

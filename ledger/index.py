"""Which ids the ledger holds: a table on disk that can be deleted at any time.

A record that names an id is found by its type and id. The table is a file of open addressing,
shared by all processes of this machine through the page cache, so that opening a ledger of any
length reads none of it. A slot is 32 bytes: 16 of BLAKE2b over type and id, 8 for the place of the
line, 8 of BLAKE2b over the run.

The table is a cache and never evidence: it is believed only if it was written since the machine
started (its pages may have reached the disk in any order) and if the record that it says it covers
last stands in the ledger at that very place. Otherwise it is built again from the lines.

Invariants
----------
1. All access is under the lock of the ledger.
2. The table never covers a record that is not durable.
"""

from __future__ import annotations

import functools
import hashlib
import mmap
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from ledger import durable
from ledger.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_SLOTS: Final = 1 << 12
_GROWTH = 4
_MAGIC = b"assay-i1"
_DEAD = b"replaced"
_HEADER = struct.Struct("<8s16sQQQQ32s")
_HEADER_BYTES = 128
_SLOT = struct.Struct("<16sQQ")
_SLOT_BYTES: Final = _SLOT.size
_PLACE = struct.Struct("<QQ")
_WORD = struct.Struct("<Q")
_EMPTY = bytes(16)
_TAG_BYTES = 16
_RUN_BYTES = 8
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_OFFSET_BITS = 32
_OFFSET_MASK = (1 << _OFFSET_BITS) - 1


class Place(NamedTuple):
    """Where a line stands: the first seq of its segment and the offset of its first byte."""

    segment: int
    offset: int


class Position(NamedTuple):
    """The end of what the table covers: a place and the hash of the record before it."""

    place: Place
    head: bytes


def tag_of(kind: str, key: str) -> bytes:
    """Return the name of a record in the table: no other type and id have it."""
    return hashlib.blake2b(f"{kind}\x00{key}".encode(), digest_size=_TAG_BYTES).digest()


@functools.lru_cache(maxsize=1024)
def run_of(run_id: str) -> int:
    """Return the number that stands for a run in a slot."""
    digest = hashlib.blake2b(run_id.encode(), digest_size=_RUN_BYTES).digest()
    return int(_WORD.unpack(digest)[0])


def boot_name() -> bytes:
    """Return 16 bytes that change when the machine starts; random where it cannot be told."""
    if not _BOOT.exists():
        return os.urandom(_TAG_BYTES)
    return hashlib.blake2b(_BOOT.read_bytes(), digest_size=_TAG_BYTES).digest()


class Index:
    """The table in one file.

    Parameters
    ----------
    path : Path
        The file; its folder is made when needed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._boot = boot_name()
        self._table: mmap.mmap | None = None
        self._slots = 0
        self._used = 0

    def attach(self) -> Position | None:
        """Map the file, if another process made or replaced it; return what it covers."""
        if self._table is None or self._table[:8] != _MAGIC:
            self._map()
        if self._table is None:
            return None
        _, boot, self._slots, self._used, segment, offset, head = _HEADER.unpack_from(self._table)
        return Position(Place(segment, offset), head) if boot == self._boot else None

    def reset(self, slots: int = FIRST_SLOTS) -> None:
        """Begin with an empty table."""
        durable.make_folder(self._path.parent)
        temporary = self._path.with_name(f".tmp-{self._path.name}-{os.getpid()}")
        with durable.translated(str(self._path), "cannot make the table of ids"):
            with temporary.open("wb") as file:
                file.write(_HEADER.pack(_MAGIC, self._boot, slots, 0, 0, 0, bytes(32)))
                file.truncate(_HEADER_BYTES + slots * _SLOT_BYTES)
            if self._table is not None:
                self._table[:8] = _DEAD
            temporary.replace(self._path)
            self._map()
        self.attach()

    def find(self, tag: bytes) -> tuple[Place, int] | None:
        """Return the place and the run of a record, or None."""
        table = self._mapped
        at, empty = self._probe(table, tag)
        if empty:
            return None
        word, run = _PLACE.unpack_from(table, at + _TAG_BYTES)
        return Place(word >> _OFFSET_BITS, word & _OFFSET_MASK), run

    def add(self, tag: bytes, place: Place, run: int) -> None:
        """Enter a record; a record that is there already keeps its first place."""
        if 2 * self._used >= self._slots:
            self._grow()
        table = self._mapped
        at, empty = self._probe(table, tag)
        if empty:
            word = place.segment << _OFFSET_BITS | place.offset
            _SLOT.pack_into(table, at, tag, word, run)
            self._used += 1

    def cover(self, position: Position) -> None:
        """Say that every record before `position` is in the table."""
        (segment, offset), head = position
        header = (_MAGIC, self._boot, self._slots, self._used, segment, offset, head)
        _HEADER.pack_into(self._mapped, 0, *header)

    def close(self) -> None:
        """Let the file go."""
        if self._table is not None:
            self._table.close()
            self._table = None

    @property
    def _mapped(self) -> mmap.mmap:
        if self._table is None:
            message = "attach or reset the table first"
            raise RuntimeError(message)
        return self._table

    def _map(self) -> None:
        self.close()
        try:
            with self._path.open("r+b") as file:
                table = mmap.mmap(file.fileno(), 0)
        except (FileNotFoundError, ValueError):
            return
        if self._fits(table):
            self._table = table
        else:
            table.close()

    @staticmethod
    def _fits(table: mmap.mmap) -> bool:
        """Return whether the file has the shape that its header states."""
        if len(table) < _HEADER_BYTES:
            return False
        magic, _, slots, used, *_ = _HEADER.unpack_from(table)
        whole = len(table) == _HEADER_BYTES + slots * _SLOT_BYTES
        return bool(
            magic == _MAGIC and whole and slots & (slots - 1) == 0 and 2 * used <= slots + 2
        )

    def _probe(self, table: mmap.mmap, tag: bytes) -> tuple[int, bool]:
        """Return the offset of the slot that holds `tag`, or of the empty one where it belongs."""
        mask = self._slots - 1
        first: int = _WORD.unpack_from(tag)[0]
        slot = first
        while slot - first <= mask:
            at = _HEADER_BYTES + (slot & mask) * _SLOT_BYTES
            found = table[at : at + _TAG_BYTES]
            if found == _EMPTY:
                return at, True
            if found == tag:
                return at, False
            slot += 1
        raise _damaged(self._path)

    def _grow(self) -> None:
        filled = list(self._entries())
        header = _HEADER.unpack_from(self._mapped)
        self.reset(self._slots * _GROWTH)
        for tag, word, run in filled:
            _SLOT.pack_into(self._mapped, self._probe(self._mapped, tag)[0], tag, word, run)
        self._used = len(filled)
        self.cover(Position(Place(header[4], header[5]), header[6]))

    def _entries(self) -> Iterator[tuple[bytes, int, int]]:
        for tag, word, run in _SLOT.iter_unpack(self._mapped[_HEADER_BYTES:]):
            if tag != _EMPTY:
                yield tag, word, run


def _damaged(path: Path) -> StorageError:
    return StorageError(
        what="the table of ids is damaged: it has no empty slot",
        where=str(path),
        why="it is at most half full unless something else wrote to it",
        fix="delete the file; it is built again from the ledger",
    )

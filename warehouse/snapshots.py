"""Published snapshots: which there are, and the record of the ledger that each stands on.

An answer is only as good as the ledger it was derived from, so whoever shows one names the head.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import duckdb

from warehouse.errors import SnapshotMissingError
from warehouse.query import open_snapshot

if TYPE_CHECKING:
    from pathlib import Path

_HEAD = """
select head.through_seq, head.through_hash, checkpoints.note
from raw.head as head
left join raw.checkpoints as checkpoints on checkpoints.size <= head.through_seq + 1
order by checkpoints.size desc nulls last
limit 1
"""


@dataclass(frozen=True, slots=True)
class SnapshotHead:
    """What a snapshot stands on.

    Attributes
    ----------
    through_seq, through_hash : int, str
        Last record that the marts know.
    checkpoint : tuple of str
        Origin, size and root of the newest signed checkpoint at or before that record; empty if
        nothing was signed until then.
    """

    through_seq: int
    through_hash: str
    checkpoint: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One published file.

    Attributes
    ----------
    path : Path
        The file.
    head : SnapshotHead
        What it stands on.
    built_at : datetime
        When it was published, UTC; observed, from the file system.
    size : int
        Bytes.
    is_current : bool
        Whether questions are answered from it.
    """

    path: Path
    head: SnapshotHead
    built_at: datetime
    size: int
    is_current: bool


def read_head(place: Path) -> SnapshotHead:
    """Return the head of a snapshot.

    Parameters
    ----------
    place : Path
        Workspace folder (`.assay`) or snapshot file.

    Raises
    ------
    SnapshotMissingError
        If there is none, or the file is no snapshot of this warehouse.
    """
    try:
        with open_snapshot(place) as connection:
            row = connection.execute(_HEAD).fetchone()
    except duckdb.Error as error:
        raise _unreadable(place, str(error).partition("\n")[0]) from error
    if row is None:
        raise _unreadable(place, "it names no head")
    note = str(row[2] or "")
    return SnapshotHead(int(row[0]), str(row[1]), tuple(note.partition("\n\n")[0].splitlines()))


def list_snapshots(workspace: Path) -> tuple[Snapshot, ...]:
    """Return the published snapshots of a workspace folder (`.assay`), the newest last."""
    folder = workspace / "warehouse"
    current = (folder / "snapshot.duckdb").resolve()
    files = sorted(
        (folder / "snapshots").glob("*.duckdb"), key=lambda path: (path.stat().st_mtime_ns, path)
    )
    return tuple(
        Snapshot(
            path,
            read_head(path),
            datetime.fromtimestamp(path.stat().st_mtime, UTC),
            path.stat().st_size,
            path.resolve() == current,
        )
        for path in files
        if not path.name.startswith(".")
    )


def _unreadable(place: Path, why: str) -> SnapshotMissingError:
    return SnapshotMissingError(
        "the snapshot cannot be read",
        where=str(place),
        why=why,
        fix="run `assay build`; a snapshot can always be made again from the ledger",
    )

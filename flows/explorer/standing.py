"""Whether the ledger verifies now, and whether the snapshot was derived from it.

Every page asks before it answers. The files are looked at first: nothing is verified again while
they are as they were, for at most a minute. A ledger that cannot be read is a verdict too.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flows.commands.answers import OWN_KINDS
from flows.explorer.index import LedgerIndex
from flows.keyring import trusted
from flows.settings import now
from ledger import LedgerError, read_approvals, verify
from warehouse.errors import SnapshotMissingError
from warehouse.query import find_snapshot
from warehouse.snapshots import read_head

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from flows.settings import Workspace
    from ledger import Report
    from ledger.approval import Halt
    from warehouse.snapshots import SnapshotHead

AGE_SECONDS: Final = 60.0
"""A verdict older than this is taken again, though no file seems to have changed."""
_TORN_SECONDS: Final = 0.05
"""A writer appends with one call; a line that is not whole after this is torn."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known about the ledger.

    Attributes
    ----------
    state : {"PASS", "FAIL", "TORN"}
        Whether it verifies; torn is a last line that is not whole.
    trust : str
        How far the verdict may be trusted.
    why : tuple of str
        Every finding.
    count, head : int, str
        Records and the hash of the last.
    checkpoint_size : int or None
        Records under the newest signed checkpoint.
    halts : tuple of Halt
        Those in force.
    verified_at : datetime
        When it was verified, UTC.
    """

    state: str
    trust: str
    why: tuple[str, ...]
    count: int
    head: str
    checkpoint_size: int | None
    halts: tuple[Halt, ...]
    verified_at: datetime


@dataclass(frozen=True, slots=True)
class SnapshotStanding:
    """The published snapshot against the ledger.

    Attributes
    ----------
    head : SnapshotHead or None
        What it stands on; None if there is no snapshot.
    path : str
        Its file; empty if there is none.
    same : bool
        Whether the ledger holds the record that it stands on.
    behind : int
        Records after that one, those of the build itself left out.
    why : str
        What is wrong; empty if nothing is.
    """

    head: SnapshotHead | None
    path: str
    same: bool
    behind: int
    why: str

    @property
    def state(self) -> str:
        """`PASS`, `FAIL`, `BEHIND` or `NONE`."""
        if self.head is None:
            return "NONE"
        if not self.same:
            return "FAIL"
        return "BEHIND" if self.behind else "PASS"


class Watch:
    """Keeps verdict and index current; safe to ask from several threads.

    Parameters
    ----------
    workspace : Workspace
        Whose ledger and snapshot.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._lock = threading.Lock()
        self._marks: object = None
        self._at = 0.0
        self._standing: Standing | None = None
        self._index = LedgerIndex(workspace.ledger)
        self._heads: dict[object, SnapshotHead] = {}

    def look(self) -> tuple[Standing, LedgerIndex]:
        """Return the verdict on the ledger as it is now, and the places of its records."""
        with self._lock:
            marks = _marks(self._workspace.ledger)
            old = time.monotonic() - self._at > AGE_SECONDS
            if self._standing is None or marks != self._marks or old:
                self._marks = marks
                self._standing = self._judge()
                self._at = time.monotonic()
            return self._standing, self._index

    def snapshot(self, index: LedgerIndex) -> SnapshotStanding:
        """Return how the published snapshot stands to the ledger."""
        try:
            path = find_snapshot(self._workspace.root)
            head = self._head(path)
        except SnapshotMissingError as error:
            return SnapshotStanding(None, "", same=False, behind=0, why=error.what)
        found = index.get(head.through_hash)
        if found is None or found.seq != head.through_seq:
            why = f"record {head.through_seq} of the ledger is not the one it was built on"
            return SnapshotStanding(head, path.name, same=False, behind=0, why=why)
        behind = _count_newer(index, head.through_seq)
        return SnapshotStanding(head, path.name, same=True, behind=behind, why="")

    def _head(self, path: Path) -> SnapshotHead:
        stat = path.stat()
        key = (path, stat.st_size, stat.st_mtime_ns, stat.st_ino)
        if key not in self._heads:
            self._heads = {key: read_head(path)}
        return self._heads[key]

    def _judge(self) -> Standing:
        try:
            found = self._verify()
            if not self._index.holds():
                self._index = LedgerIndex(self._workspace.ledger)
            self._index.extend()
        except LedgerError as error:
            return _unreadable(error)
        worst = [finding for finding in found.findings if finding.kind != "torn"]
        checkpoint = found.checkpoint
        halts, doubt = _halts(self._workspace.ledger)
        return Standing(
            "FAIL" if worst else "TORN" if found.findings else "PASS",
            str(found.trust),
            (*(finding.to_text() for finding in found.findings), *doubt),
            found.count,
            str(found.head),
            None if checkpoint is None else checkpoint.size,
            halts,
            now(),
        )

    def _verify(self) -> Report:
        found = verify(self._workspace.ledger, level="fast", keys=trusted(self._workspace))
        if found.verdict == "torn":
            time.sleep(_TORN_SECONDS)
            found = verify(self._workspace.ledger, level="fast", keys=trusted(self._workspace))
        return found


def _halts(ledger: Path) -> tuple[tuple[Halt, ...], tuple[str, ...]]:
    """Return the halts in force, and why they cannot be known."""
    try:
        return tuple(read_approvals(ledger).halts), ()
    except LedgerError as error:
        return (), (f"halts in force cannot be known: {error.what}",)


def _unreadable(error: LedgerError) -> Standing:
    why = f"{error.what} ({error.code}, {error.where})"
    return Standing("FAIL", "none", (why,), 0, "", None, (), now())


def _count_newer(index: LedgerIndex, seq: int) -> int:
    """Return how many records stand behind `seq`, those of later builds left out."""
    newer: Counter[str] = Counter()
    for entry in reversed(index.entries):
        if entry.seq <= seq:
            break
        newer[entry.run_id] += 1
    return sum(count for run_id, count in newer.items() if not _is_build(index, run_id))


def _is_build(index: LedgerIndex, run_id: str) -> bool:
    opening = next((each for each in index.of_run(run_id) if each.type == "run"), None)
    try:
        return opening is not None and index.read(opening).data.get("kind") in OWN_KINDS
    except LedgerError:
        return False


def _marks(ledger: Path) -> tuple[object, ...]:
    """Return what changes when a file of the ledger is written, replaced or taken away."""
    places = [*sorted(ledger.glob("audit*")), ledger / "checkpoint"]
    places += [ledger / name for name in ("checkpoints", "segments", "anchors", "quarantine")]
    return tuple(_mark(place) for place in places)


def _mark(place: Path) -> tuple[object, ...]:
    try:
        stat = place.stat()
    except FileNotFoundError:
        return (place.name,)
    return (place.name, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)

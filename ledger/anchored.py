"""What anchors outside the ledger say about it, for the verifier who brings them.

Tags are read from the verifier's own clone. Time stamps lie beside the ledger, but who made them is
checked with the certificate that the verifier brings. Each names a checkpoint that the records must
still have; a time stamp says besides that the records under it are not younger than its time, and
that the `anchor` record about it is not older.

Invariants
----------
1. An anchor agrees, or there is a finding about it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from ledger import chain, gittag, timestamp
from ledger.checkpoint import Checkpoint
from ledger.digest import Digest, sha256
from ledger.errors import ConfigError, IntegrityError
from ledger.findings import Anchored, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from ledger.findings import Kind
    from ledger.record import Record

FOLDER: Final = "anchors"
TOLERATED: Final = timedelta(seconds=300)
"""How far the clocks of a ledger and of an authority may be apart."""
_NAME: Final = re.compile(r"[0-9]{12}\.tsr", re.ASCII)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the walk over the records found.

    Parameters
    ----------
    count : int
        Number of records.
    roots : mapping of int to bytes
        Root at each size that was asked for.
    records : sequence of Record
        The `anchor` records.
    broken : bool
        Whether records are not those that were written; they are not read again then.
    """

    count: int
    roots: Mapping[int, bytes]
    records: Sequence[Record]
    broken: bool


class Anchors:
    """The anchors that a verifier brings for one ledger.

    Parameters
    ----------
    root : Path
        The folder of the ledger.
    origin : str
        Its name.
    git : Path, optional
        The verifier's clone of the repository with the tags.
    authority : Path, optional
        Certificates in PEM of the time stamping authority.

    Raises
    ------
    AnchorError
        If the clone holds no tag of this ledger.
    ConfigError
        If there is no file of certificates.
    """

    def __init__(
        self, root: Path, origin: str, *, git: Path | None, authority: Path | None
    ) -> None:
        self._root = root
        self._origin = origin
        self._kinds = {"git" if git else "", "tsa" if authority else ""} - {""}
        self._tags = gittag.read_tags(git, origin) if git else []
        self._clone = str(git)
        self._authority = read_authority(authority) if authority else b""
        files = sorted((root / FOLDER).glob("*.tsr")) if authority else []
        self._tokens = [path for path in files if _NAME.fullmatch(path.name)]
        self.agreeing: list[Anchored] = []

    @property
    def sizes(self) -> list[int]:
        """The sizes whose roots are needed."""
        return [each.size for each in self._tags] + [_size(path) for path in self._tokens]

    def judge(self, seen: Seen) -> Iterator[Finding]:
        """Yield what does not hold; afterwards `agreeing` has the rest."""
        for tag in self._tags:
            yield from self._judge_tag(tag, seen)
        if "tsa" in self._kinds and not self._tokens:
            yield Finding("missing", "no time stamp is here, and one was asked for", where=FOLDER)
        for path in self._tokens:
            yield from self._judge_token(path, seen)
        for record in seen.records:
            if record.data.get("kind") in self._kinds:
                yield from self._judge_file(record)

    def _judge_tag(self, tag: Checkpoint, seen: Seen) -> Iterator[Finding]:
        found = _differs(tag, seen)
        if found:
            yield Finding(*found, where=f"{self._clone}, tag {gittag.PREFIX}{tag.size}")
        elif tag.size in seen.roots:
            self.agreeing.append(Anchored("git", tag.size))

    def _judge_token(self, path: Path, seen: Seen) -> Iterator[Finding]:
        where, size = f"{FOLDER}/{path.name}", _size(path)
        try:
            token = timestamp.open_token(path.read_bytes(), self._authority, where=where)
        except IntegrityError as error:
            yield Finding("signature", error.what, where=where)
            return
        root = seen.roots.get(size)
        if size > seen.count:
            yield Finding(
                "truncated",
                "records that were time-stamped are not there",
                seen.count,
                None,
                f"{size} records",
                f"{seen.count} records",
                where,
            )
            return
        if root is None:
            # Inside a segment that was moved away: the next stamp speaks for it.
            return
        text = Checkpoint(self._origin, size, Digest(root.hex())).text
        digest = hashlib.sha256(text.encode()).digest()
        if digest != token.digest:
            message = f"the first {size} records are not those that were time-stamped"
            expected, found = token.digest.hex(), digest.hex()
            yield Finding("forked", message, None, None, expected, found, where)
            return
        late = [] if seen.broken else list(self._judge_times(size, token.time, seen, where))
        yield from late
        if not late:
            self.agreeing.append(Anchored("tsa", size, f"{token.time:%Y-%m-%dT%H:%M:%SZ}"))

    def _judge_times(self, size: int, time: datetime, seen: Seen, where: str) -> Iterator[Finding]:
        """Compare the last record under the stamp, and the record about it, with its time."""
        limit = f"{time:%Y-%m-%dT%H:%M:%SZ}"
        for record in chain.read_records(self._root, size - 1, size):
            if datetime.fromisoformat(record.ts) > time + TOLERATED:
                message = "a record states a later time than the time stamp over it"
                yield Finding("lint", message, record.seq, None, limit, record.ts, where)
        for record in seen.records:
            stated = record.data.get("kind"), record.data.get("size")
            early = datetime.fromisoformat(record.ts) < time - TOLERATED
            if stated == ("tsa", size) and early:
                message = "the record about a time stamp states an earlier time than the stamp"
                yield Finding("lint", message, record.seq, None, limit, record.ts, where)

    def _judge_file(self, record: Record) -> Iterator[Finding]:
        """Compare the file of an anchor with what its record states."""
        name, wanted = str(record.data.get("file")), str(record.data.get("sha256"))
        path = self._root / FOLDER / name.rpartition("/")[2]
        if not path.is_file():
            yield Finding(
                "missing", "an anchor that was recorded is not here", record.seq, where=name
            )
            return
        found = sha256(path.read_bytes())
        if found != wanted:
            message = "an anchor is not the one that was recorded"
            yield Finding("altered", message, record.seq, None, wanted, found, name)


def _differs(
    tag: Checkpoint, seen: Seen
) -> tuple[Kind, str, int | None, int | None, str, str] | None:
    root = seen.roots.get(tag.size)
    if tag.size > seen.count:
        message = "the ledger is shorter than a checkpoint that was published"
        sizes = f"{tag.size} records", f"{seen.count} records"
        return "rolled_back", message, seen.count, None, *sizes
    if root is not None and root.hex() != tag.root:
        message = f"the first {tag.size} records are not those that were published"
        return "forked", message, None, None, f"root {tag.root}", f"root {root.hex()}"
    return None


def _size(path: Path) -> int:
    return int(path.stem)


def read_authority(path: Path) -> bytes:
    """Return the certificates in a file.

    Raises
    ------
    ConfigError
        If there is no such file.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            what=f"no certificate of the authority: {error.strerror}",
            where=str(path),
            why="a time stamp is believed because of who signed it",
            fix="name a file in PEM with the root certificate of the authority",
        ) from error

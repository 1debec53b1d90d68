"""The evidence of a ledger in one file, for somebody who has nothing of ours.

A bundle is a zip with the ledger cut at a checkpoint, every checkpoint up to it, the keys of the
log, blobs if they are asked for, three verifiers that share no code, and a list of all files::

    README.md  MANIFEST.sha256  verify.py  verify.sh  verify.sql  verify-weight.py
    keys/<key id>.vkey  keys/windows.txt
    ledger/audit*.jsonl  ledger/segments/  ledger/checkpoints/  ledger/checkpoint  ledger/anchors/
    blobs/sha256/ab/cdef...

The cut ledger is a ledger: `verify` takes it as it is. Segments are stored uncompressed, and the
one with the cut, the last, is `audit.jsonl`, whatever it was called where it came from.

Invariants
----------
1. A bundle ends with a record under its newest checkpoint: no record stands outside.
2. The same ledger, cut and blobs give the same bytes (with the same zlib).
3. A reader of the path sees the old file, the whole bundle or nothing.

Known limits: `MANIFEST.sha256` is not signed. It finds accidents; against a forger there is the
newest checkpoint, compared with a copy that did not come with the bundle.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
import zipfile
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from string import Template
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from ledger import checkpoints, durable, segments
from ledger.blobs import BlobStore
from ledger.digest import Digest, sha256
from ledger.errors import AlreadyThereError, ConfigError, IntegrityError
from ledger.keys import VerifyKey
from ledger.merkle import Frontier
from ledger.record import hash_of_line, read_record
from ledger.rotation import KeyRing
from ledger.verify import verify

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from zipfile import ZipFile

    from ledger.checkpoint import Checkpoint
    from ledger.record import Record

STANDALONE: Final = Path(__file__).parent / "standalone.py"
VERIFIERS: Final = Path(__file__).parent / "verifiers"
MANIFEST: Final = "MANIFEST.sha256"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_REDACTION = b'"type":"redaction"'
_CHANGE = b'"type":"key"'
_ANCHOR = re.compile(r"([0-9]{12})[-._A-Za-z0-9]*", re.ASCII)


class NothingToExportError(ConfigError):
    """The ledger, as of the date, has not what was asked for, or cannot be cut there."""

    code = "E0145"


class UnverifiedLedgerError(IntegrityError):
    """The ledger does not verify; nothing was exported."""

    code = "E0146"


@dataclass(frozen=True, slots=True)
class Bundle:
    """What was exported.

    Parameters
    ----------
    path : Path
        The file.
    checkpoint : Checkpoint
        The one at which the ledger was cut.
    until : str
        Time of the last record in it.
    sha256 : Digest
        Of the file.
    size : int
        Bytes of the file.
    blobs : int
        How many blobs are in it.
    erased : int
        How many that were asked for are not, because they were erased under a redaction.
    """

    path: Path
    checkpoint: Checkpoint
    until: str
    sha256: Digest
    size: int
    blobs: int
    erased: int


def write_bundle(
    root: Path,
    out: Path,
    *,
    as_of: str | None = None,
    blobs: Path | None = None,
    choice: Sequence[str] = (),
    force: bool = False,
    extra: Mapping[str, bytes] = MappingProxyType({}),
) -> Bundle:
    """Write the evidence of the ledger in `root` to the file `out`.

    Parameters
    ----------
    root : Path
        The folder of the ledger.
    out : Path
        The zip to write.
    as_of : str, optional
        The ledger is cut at the newest checkpoint whose last record was written on this day (UTC,
        `YYYY-MM-DD`) or before; without, at the newest.
    blobs : Path, optional
        The folder with `sha256/`; needed when blobs are chosen.
    choice : sequence of str
        Which blobs: `all`, `run:<run id>`, `decision:<id>`; none if empty.
    force : bool
        Replace a file.
    extra : Mapping of str to bytes
        More files by their names; a reader refuses all but `verify-weight.py`.

    Raises
    ------
    UnverifiedLedgerError
        If the ledger does not verify.
    NothingToExportError
        If no checkpoint is old enough, a choice names nothing, or the cut would leave out the
        redaction that allows a stub.
    BlobMissingError, BlobAlteredError
        If a chosen blob is not there, or not itself.
    AlreadyThereError
        If there is a file and `force` is not set.
    """
    if out.exists() and not force:
        raise _already_there(out)
    refuse_altered(root)
    survey = _Survey(root)
    cut = survey.find_cut(as_of)
    survey.refuse_cut_redaction(cut.size)
    digests, erased = _choose(root, survey, cut.size, blobs, choice)
    facts = _facts(survey, cut, as_of, choice, len(digests), erased)
    stored = _blobs(BlobStore(blobs or root), digests)
    added = (_Member(name, [data]) for name, data in sorted(extra.items()))
    made = _write(out, _members(root, survey, cut, facts, chain(added, stored)), force=force)
    until = survey.times[cut.size]
    return Bundle(out, cut, until, made, out.stat().st_size, len(digests), erased)


def refuse_altered(root: Path) -> None:
    """Raise `UnverifiedLedgerError` unless the ledger verifies; its tail may be torn."""
    worst = [finding for finding in verify(root).findings if finding.kind != "torn"]
    if worst:
        place = "" if worst[0].seq is None else f", record {worst[0].seq}"
        raise UnverifiedLedgerError(
            what=f"the ledger does not verify: {worst[0].kind}, {worst[0].message}",
            where=f"{root}{place}",
            why="a bundle of an altered ledger would be evidence of nothing",
            fix="run verify for all findings; restore the ledger from a copy",
        )


class _Survey:
    """What one pass over the lines of a verified ledger finds out."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.genesis = segments.read_genesis(root)
        self.times = dict.fromkeys(checkpoints.list_sizes(root), "")
        self.redactions: list[Record] = []
        self._changes: list[Record] = []
        self._stubs: dict[int, Digest] = {}
        for seq, line in segments.iter_lines(root):
            if seq + 1 in self.times:
                self.times[seq + 1] = read_record(line).ts
            if not hash_of_line(line):
                self._stubs[seq] = sha256(line)
            elif _REDACTION in line or _CHANGE in line:
                self._note(read_record(line))

    def _note(self, record: Record) -> None:
        if record.type == "redaction":
            self.redactions.append(record)
        elif record.type == "key":
            self._changes.append(record)

    def find_cut(self, as_of: str | None) -> Checkpoint:
        """Return the newest checkpoint whose last record is of `as_of` or before."""
        sizes = [size for size, ts in self.times.items() if ts and (not as_of or ts[:10] <= as_of)]
        if not sizes:
            first = next((ts for ts in self.times.values() if ts), "never")
            raise NothingToExportError(
                what=f"no checkpoint as of {as_of or 'today'}",
                where=str(self._root),
                why=f"evidence is cut at a signed checkpoint; the first covers {first}",
                fix="name a later date, or sign a checkpoint",
            )
        return checkpoints.read_kept(self._root, max(sizes))

    def refuse_cut_redaction(self, size: int) -> None:
        """Refuse a cut between a record whose content was erased and the record that allows it."""
        allowed = {(each.data.get("seq"), each.data.get("stub")): each for each in self.redactions}
        for seq, digest in self._stubs.items():
            later = allowed.get((seq, digest))
            if seq < size and later is not None and later.seq >= size:
                raise NothingToExportError(
                    what=f"the content of record {seq} was erased after this cut",
                    where=f"{self._root}, cut at {size} records",
                    why=f"record {later.seq} allows the erasure; without it the cut does not hold",
                    fix=f"name a date from {later.ts[:10]} on",
                )

    def windows(self, size: int) -> list[tuple[VerifyKey, int, int]]:
        """Return the keys up to `size`, each with the sizes for which it may sign."""
        ring = KeyRing(self.genesis.origin, VerifyKey.parse(self.genesis.vkey))
        for record in self._changes:
            if record.seq < size:
                ring.apply(record)
        return [(each.key, each.first, min(each.last, size)) for each in ring.windows]


def _choose(
    root: Path, survey: _Survey, size: int, blobs: Path | None, choice: Sequence[str]
) -> tuple[list[Digest], int]:
    """Return the digests of the chosen blobs that are there, and how many were erased."""
    if not choice:
        return [], 0
    if blobs is None:
        raise _no_choice(choice[0], "no folder of blobs was named", "name it")
    unmet = set(choice)
    named: set[Digest] = set()
    for _, line in _lines(root, size):
        record = read_record(line)
        met = {f"run:{record.run_id}", f"decision:{record.id}", "all"} & set(choice)
        unmet -= met
        if met:
            named |= {*record.inputs.values(), *record.outputs.values()}
    for each in sorted(unmet):
        raise _no_choice(each, "no record has it", "`log` lists runs and ids; or say `all`")
    store = BlobStore(blobs)
    gone = {each.data.get("blob") for each in survey.redactions}
    kept = [digest for digest in sorted(named) if store.has(digest) or digest not in gone]
    return kept, len(named) - len(kept)


def _no_choice(name: str, found: str, fix: str) -> NothingToExportError:
    return NothingToExportError(
        what=f"no blobs for {name!r}: {found}",
        where="--blobs",
        why="blobs are chosen by `all`, `run:<run id>` or `decision:<id>`",
        fix=fix,
    )


def _lines(root: Path, size: int) -> Iterator[tuple[int, bytes]]:
    for seq, line in segments.iter_lines(root):
        if seq >= size:
            return
        yield seq, line


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    chunks: Iterable[bytes]
    mode: int = 0o644


def _members(
    root: Path, survey: _Survey, cut: Checkpoint, facts: dict[str, str], rest: Iterable[_Member]
) -> Iterator[_Member]:
    """Yield the files of a bundle, in their order."""
    readme = Template((VERIFIERS / "README.md").read_text(encoding="utf-8")).substitute(facts)
    yield _Member("README.md", [readme.encode()])
    yield _Member("verify.py", [STANDALONE.read_bytes()])
    yield _Member("verify.sh", [(VERIFIERS / "verify.sh").read_bytes()], 0o755)
    yield _Member("verify.sql", [(VERIFIERS / "verify.sql").read_bytes()])
    windows = survey.windows(cut.size)
    for key, _, _ in windows:
        yield _Member(f"keys/{key.key_id.hex()}.vkey", [key.text.encode() + b"\n"])
    yield _Member("keys/windows.txt", [facts["windows"].encode() + b"\n"])
    yield from _segments(root, cut)
    for size in sorted(size for size in survey.times if size <= cut.size):
        note = checkpoints.read_kept(root, size).note
        yield _Member(f"ledger/checkpoints/{size:012d}", [note])
    yield _Member("ledger/checkpoint", [cut.note])
    yield from _anchors(root, cut.size)
    yield from rest


def _blobs(store: BlobStore, digests: list[Digest]) -> Iterator[_Member]:
    for digest in digests:
        yield _Member(f"blobs/sha256/{digest[:2]}/{digest[2:]}", [store.get(digest)])


def _segments(root: Path, cut: Checkpoint) -> Iterator[_Member]:
    """Yield the lines under the checkpoint, in segments; the last is the active one."""
    tree = Frontier()
    with segments.snapshot(root) as found:
        held = [each for each in found if each.first < cut.size]
        for segment, after in zip(held, [*held[1:], None], strict=True):
            name = segments.ACTIVE if after is None else f"audit-{segment.first:012d}.jsonl"
            yield _Member(f"ledger/{name}", _copy(segment, cut.size, tree))
            if after is not None:
                summary = root / "segments" / f"{segment.first:012d}"
                yield _Member(f"ledger/segments/{segment.first:012d}", [summary.read_bytes()])
    if tree.root().hex() != cut.root:
        raise UnverifiedLedgerError(
            what=f"the ledger changed while it was exported: expected the root {cut.root}",
            where=str(root),
            why="its first records were those that were signed a moment ago, and are not now",
            fix="run verify; find out who writes there",
        )


def _copy(segment: segments.Segment, size: int, tree: Frontier) -> Iterator[bytes]:
    """Yield the bytes of a segment up to the cut, and extend the tree with their hashes."""
    with segments.open_segment(segment) as stream:
        for lines in segments.LineReader(stream):
            part = lines[: max(size - tree.size, 0)]
            tree.extend([segments.line_hash(line) for line in part])
            yield b"".join([line + b"\n" for line in part])


def _anchors(root: Path, size: int) -> Iterator[_Member]:
    folder = root / "anchors"
    for path in sorted(folder.iterdir() if folder.is_dir() else ()):
        match = _ANCHOR.fullmatch(path.name)
        if match and int(match[1]) <= size and path.is_file():
            yield _Member(f"ledger/anchors/{path.name}", [path.read_bytes()])


def _facts(  # noqa: PLR0917 - what the first page states, in its order
    survey: _Survey,
    cut: Checkpoint,
    as_of: str | None,
    choice: Sequence[str],
    blobs: int,
    erased: int,
) -> dict[str, str]:
    """Return what the first page of a bundle states."""
    windows = [
        f"{key.key_id.hex()}  {first}  {last}" for key, first, last in survey.windows(cut.size)
    ]
    chosen = ", ".join(choice) or "none was asked for"
    gone = f"; {erased} were erased, and a record says so" if erased else ""
    return {
        "origin": cut.origin,
        "size": str(cut.size),
        "root": cut.text.split("\n")[2],
        "until": survey.times[cut.size],
        "as_of": as_of or "the newest checkpoint",
        "windows": "\n".join(windows),
        "keys": str(len(windows)),
        "checkpoints": str(sum(size <= cut.size for size in survey.times)),
        "vkey": survey.genesis.vkey,
        "blobs": f"{blobs} ({chosen}{gone})",
        "verifier": sha256(STANDALONE.read_bytes()),
    }


def _write(out: Path, members: Iterator[_Member], *, force: bool) -> Digest:
    """Write the zip beside its place, make it durable, give it its name; return its digest."""
    with durable.translated(str(out), "cannot write the bundle"):
        descriptor, name = tempfile.mkstemp(prefix=".tmp-", dir=out.parent)
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "w+b") as file:
                with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
                    _fill(archive, members)
                file.flush()
                os.fchmod(file.fileno(), 0o644)
                os.fsync(file.fileno())
                file.seek(0)
                digest = Digest(hashlib.file_digest(file, "sha256").hexdigest())
            _name(temporary, out, force=force)
        finally:
            temporary.unlink(missing_ok=True)
    durable.sync_folder(out.parent)
    return digest


def _fill(archive: ZipFile, members: Iterator[_Member]) -> None:
    listed = sorted((member.name, _store(archive, member)) for member in members)
    text = "".join(f"{digest}  {name}\n" for name, digest in listed)
    _store(archive, _Member(MANIFEST, [text.encode()]))


def _store(archive: ZipFile, member: _Member) -> str:
    info = zipfile.ZipInfo(member.name, _EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.create_system = 3
    info.external_attr = (stat.S_IFREG | member.mode) << 16
    digest = hashlib.sha256()
    with archive.open(info, "w", force_zip64=True) as file:
        for chunk in member.chunks:
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


def _name(temporary: Path, out: Path, *, force: bool) -> None:
    if force:
        temporary.replace(out)
        return
    try:
        out.hardlink_to(temporary)
    except FileExistsError as error:
        raise _already_there(out) from error


def _already_there(out: Path) -> AlreadyThereError:
    return AlreadyThereError(
        what="a file is there already",
        where=str(out),
        why="evidence is not replaced unasked",
        fix="name another file, or say --force",
    )

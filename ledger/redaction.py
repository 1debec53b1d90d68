"""Lawful erasure: content goes, and the ledger says that it went, why and on whose word.

The order is what makes it lawful: first a `redaction` record that names what is to go, durable and
under a signed checkpoint, then the erasure itself. A crash in between leaves a redaction that was
not carried out yet; a second call carries it out and adds no record.

What a record needs of others is never lost: the stub that takes the place of a line keeps its hash,
so chain, tree, checkpoints, proofs of other records and cosignatures hold as before.

Invariants
----------
1. Nothing is erased that no redaction record under a checkpoint names.
2. A line that the verifier needs (keys, approvals, anchors, redactions, recoveries, the genesis
   record), and a blob that such a line names, is refused.
3. After an erasure `verify` finds what it found before, at every level.

Known limits: copies of the ledger, backups and files of the system that were deleted but not
overwritten are beyond us. Ids and times stay; a segment is rewritten in memory.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ledger import chain, checkpoints, durable, segments
from ledger.batch import Receipt
from ledger.digest import sha256
from ledger.errors import ConfigError
from ledger.record import Draft, hash_of_line, make_stub, parse_stub, read_record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import NoReturn

    from ledger.blobs import BlobStore
    from ledger.digest import Digest
    from ledger.keys import SigningKey
    from ledger.log import Log
    from ledger.record import Record
    from ledger.segments import Segment

ERASABLE: Final = frozenset({"run", "intent", "outcome", "note"})
"""Types of records whose content the verifier does not need."""

_GZIP: Final = b"\x1f\x8b"


class ErasureRefusedError(ConfigError):
    """What was named must stay, or cannot be erased yet."""

    code = "E0156"


class NothingToEraseError(ConfigError):
    """No record has this seq, or no record names this blob."""

    code = "E0157"


@dataclass(frozen=True, slots=True)
class ErasurePlan:
    """What an erasure would take away, and what is recorded of it already.

    Parameters
    ----------
    name : str
        `record <seq>` or `blob <digest>`.
    path : Path
        The file that is rewritten or removed.
    records : tuple of Record
        The record itself, or all records that name the blob.
    redaction : Record, optional
        The redaction record that is there already.
    is_done : bool
        Whether the content is gone already.
    """

    name: str
    path: Path
    records: tuple[Record, ...]
    redaction: Record | None
    is_done: bool


def plan_blob(root: Path, store: BlobStore, digest: Digest) -> ErasurePlan:
    """Return what the erasure of a blob would do.

    Raises
    ------
    NothingToEraseError
        If it is not stored and no record names it.
    ErasureRefusedError
        If a record names it that the verifier needs, or no checkpoint covers one of them.
    """
    path = store.path(digest)
    naming = tuple(_naming(root, digest))
    made = [each for each in chain.iter_redactions(root) if each.data.get("blob") == digest]
    if not naming and not made and not path.exists():
        raise NothingToEraseError(
            what=f"no blob {digest}, and no record that names one",
            where=str(root),
            why="an erasure takes away what is there or what the ledger points at",
            fix="look for the digest in `inputs` and `outputs` with `python -m ledger log --json`",
        )
    for record in naming:
        _refuse_if_needed(root, record)
    return ErasurePlan(f"blob {digest}", path, naming, _first(made), not path.exists())


def plan_line(root: Path, seq: int) -> ErasurePlan:
    """Return what the erasure of a record's content would do.

    Raises
    ------
    NothingToEraseError
        If there is no such record.
    ErasureRefusedError
        If the verifier needs it, no checkpoint covers it, or its segment was moved away.
    BrokenChainError
        If the line is not the one that was written.
    """
    segment, line = _find_line(root, seq)
    record = read_record(line)
    _refuse_if_needed(root, record)
    stub = line if record.redacted else make_stub(line + b"\n")[:-1]
    wanted = (seq, sha256(stub))
    made = [each for each in chain.iter_redactions(root) if wanted in chain.erased_by(each)]
    if not (made if record.redacted else hash_of_line(line)):
        raise chain.broken(root, seq)
    path = segment.path or root / f"audit-{segment.first:012d}.jsonl"
    return ErasurePlan(f"record {seq}", path, (record,), _first(made), record.redacted)


def erase_blob(
    log: Log, store: BlobStore, digest: Digest, *keys: SigningKey, ground: str, by: str
) -> Receipt:
    """Record that a blob is erased, sign, then delete its bytes; return where that is recorded.

    Parameters
    ----------
    log : Log
        The ledger.
    store : BlobStore
        Where the blob is.
    digest : Digest
        Its name.
    *keys : SigningKey
        Sign the checkpoint over the redaction record.
    ground : str
        The legal ground, in a sentence.
    by : str
        Who decided it: the `actor` of the record.
    """
    plan = plan_blob(log.path, store, digest)
    receipt = _record(log, plan, keys, {"blob": digest}, ground=ground, by=by)
    store.erase(digest)
    return receipt


def erase_line(log: Log, seq: int, *keys: SigningKey, ground: str, by: str) -> Receipt:
    """Record that the content of a line is erased, sign, then put its stub in its place.

    The parameters are those of `erase_blob`. Blobs that the record names stay: erase them one by
    one, before or after; the stub does not name them any more.
    """
    plan = plan_line(log.path, seq)
    _, line = _find_line(log.path, seq)
    stub = line + b"\n" if plan.is_done else make_stub(line + b"\n")
    stated: dict[str, object] = {"seq": seq, "stub": sha256(stub[:-1])}
    receipt = _record(log, plan, keys, stated, ground=ground, by=by)
    if not plan.is_done:
        with log.rewriting():
            _remove_leftovers(log.path)
            _put_stub(log.path, seq, stub)
    return receipt


def _record(
    log: Log,
    plan: ErasurePlan,
    keys: tuple[SigningKey, ...],
    stated: dict[str, object],
    *,
    ground: str,
    by: str,
) -> Receipt:
    """Make the redaction record durable and signed for, unless it is."""
    if plan.redaction is not None:
        made = plan.redaction
        receipt = Receipt(made.seq, made.hash, made.id)
    else:
        if not ground.strip() or not by.strip():
            _refuse(
                plan.name, "an erasure states its legal ground and who decided it", "state both"
            )
        draft = Draft(
            type="redaction",
            run_id="",
            step="",
            id=f"redaction/{plan.name.replace(' ', '/')}",
            actor=by,
            data={**stated, "ground": ground},
        )
        (receipt,) = log.append([draft])
    newest = checkpoints.read_newest(log.path)
    if newest is None or newest.size <= receipt.seq:
        key, *more = keys
        log.checkpoint(key, *more)
    return receipt


def _naming(root: Path, digest: Digest) -> Iterator[Record]:
    text = digest.encode()
    for _, line in segments.iter_lines(root):
        if text in line and hash_of_line(line):
            record = read_record(line)
            if digest in (*record.inputs.values(), *record.outputs.values()):
                yield record


def _find_line(root: Path, seq: int) -> tuple[Segment, bytes]:
    with segments.snapshot(root) as found:
        for segment in reversed(found):
            if 0 <= segment.first <= seq:
                if segment.path is None:
                    _refuse(
                        f"record {seq}",
                        f"the segment that begins at {segment.first} was moved away",
                        "bring it back; erase the copies elsewhere, too",
                    )
                line = _line_at(segment, seq - segment.first)
                if line:
                    return replace(segment, file=None), line
                break
    raise NothingToEraseError(
        what=f"no record {seq}",
        where=str(root),
        why="a record is named by its seq",
        fix="look with `python -m ledger log`",
    )


def _line_at(segment: Segment, at: int) -> bytes:
    with segments.open_segment(segment) as stream:
        for lines in segments.LineReader(stream):
            if at < len(lines):
                return lines[at]
            at -= len(lines)
    return b""


def _refuse_if_needed(root: Path, record: Record) -> None:
    newest = checkpoints.read_newest(root)
    name = f"record {record.seq}, {record.type} {record.id!r}"
    if record.type not in ERASABLE:
        _refuse(name, f"a verifier needs every {record.type} record and what it names", "keep it")
    if newest is None or newest.size <= record.seq:
        _refuse(
            name,
            "no checkpoint covers it: nobody could tell an erasure from a forgery",
            "sign a checkpoint first",
        )


def _put_stub(root: Path, seq: int, stub: bytes) -> None:
    """Rewrite the file that holds the record, in one rename."""
    segment, line = _find_line(root, seq)
    if parse_stub(line) is not None or segment.path is None:
        return
    packed = segment.path.with_name(segment.path.name + ".gz")
    if packed.exists():
        # A crash stopped its compression half way; both hold the line.
        durable.remove(packed)
    with segments.open_segment(segment) as stream:
        lines = stream.read().split(b"\n")
    lines[seq - segment.first] = stub[:-1]
    data = b"\n".join(lines)
    if segment.path.suffix == ".gz":
        data = gzip.compress(data, mtime=0)
    durable.replace(segment.path, data, mode=0o444 if segment.closed else 0o644)


def _remove_leftovers(root: Path) -> None:
    """Remove what a crash left of a segment in the making: it holds the line as it was."""
    for path in root.glob(".tmp-*"):
        with path.open("rb") as file:
            start = file.read(len(_GZIP))
        if start == _GZIP or start.startswith(b"{"):
            durable.remove(path)


def _first(records: list[Record]) -> Record | None:
    return records[0] if records else None


def _refuse(name: str, why: str, fix: str) -> NoReturn:
    raise ErasureRefusedError(
        what=f"refused to erase {name}", where=name, why=why, fix=f"{fix}; nothing was erased"
    )

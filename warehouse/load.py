"""Copies verified records from the ledger into the raw tables.

One pass over the ledger: the lines that are loaded already are compared by one digest with what
was loaded, the others are checked by the ledger's own rule (hash and link) and added, all in one
transaction. A crash leaves the tables as they were.

Invariants
----------
1. `raw.records` holds exactly the first n lines of the ledger, byte for byte, for some n.
2. Loading twice adds nothing the second time.
3. A ledger that no longer begins with the loaded lines is refused: the warehouse is then a witness
   of another history, and is not overwritten unless the caller says so (`build --rebuild`).
4. What was lawfully erased from ledger or blobs is not in the file: it is made anew without it.
"""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import TYPE_CHECKING, TypeAlias

import duckdb

from ledger import ZERO, BlobMissingError, BlobStore, Digest, VerifyKey, open_checkpoint
from ledger.chain import Redactions, broken
from ledger.checkpoints import list_sizes
from ledger.record import hash_of_line, link_of_line, parse_stub, read_record
from ledger.rotation import KeyRing
from ledger.segments import iter_lines, list_segments, read_genesis
from warehouse.errors import (
    BuildFileError,
    EvidenceAlteredError,
    HistoryDiffersError,
    NothingToBuildError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_Line: TypeAlias = tuple[int, bytes, bytes]
"""Seq, line without LF, hash."""
_BATCH_BYTES = 32 << 20

_INSERT = """
insert into raw.records
select
    record.seq, record.ts, record.type, record.run_id, record.step, record.id, record.status,
    record.actor, record.inputs, record.outputs, record.prev_hash, record.hash,
    coalesce(record.redacted, false), line
from (
    select
        line,
        from_json(line, '{"seq": "BIGINT", "ts": "VARCHAR", "type": "VARCHAR", "run_id": "VARCHAR",
            "step": "VARCHAR", "id": "VARCHAR", "status": "VARCHAR", "actor": "VARCHAR",
            "inputs": "JSON", "outputs": "JSON", "prev_hash": "VARCHAR", "hash": "VARCHAR",
            "redacted": "BOOLEAN"}'
        ) as record
    from read_csv(
        ?, columns = {'line': 'VARCHAR'}, delim = '\x01', quote = '', escape = '',
        header = false, auto_detect = false, max_line_size = 1048576
    )
)
"""

_DOCUMENTS = """
select distinct digest, role from (
    select outputs ->> 'result' as digest, 'result' as role
    from raw.records where type = 'outcome' and outputs is not null
    union all
    select inputs ->> 'manifest', 'manifest'
    from raw.records where type = 'run' and inputs is not null
)
where digest is not null and digest not in (select sha256 from raw.documents)
order by digest
"""

_ERASED = """
select data ->> 'blob' from raw.records where type = 'redaction' and data ->> 'blob' is not null
"""

_KEPT = """
select documents.sha256
from raw.documents as documents
inner join raw.records as redactions
    on redactions.type = 'redaction' and redactions.data ->> 'blob' = documents.sha256
limit 1
"""

_UNEXPLAINED = """
select stubs.seq from raw.records as stubs
where stubs.redacted and not exists (
    select 1 from raw.records as redactions
    where
        redactions.type = 'redaction' and redactions.seq > stubs.seq
        and redactions.data ->> 'seq' = cast(stubs.seq as varchar)
        and redactions.data ->> 'stub' = sha256(stubs.line)
)
order by stubs.seq limit 1
"""


class _ContentErased(Exception):  # noqa: N818 - no error: the build file begins anew
    """Content that was loaded earlier was lawfully erased since."""


class _LayoutDiffers(Exception):  # noqa: N818 - no error: the build file begins anew
    """The build file was made by another version of this code."""


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What a load did.

    Attributes
    ----------
    added : int
        Records added by this load.
    through_seq : int
        Seq of the last record loaded.
    through_hash : str
        Its hash.
    anew : str
        Why the file that was there was made anew; empty if it was added to, or was not there.
    """

    added: int
    through_seq: int
    through_hash: str
    anew: str = ""


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What the tables held before: number of lines, hash of the last, digest of all bytes."""

    count: int
    head: str
    sha256: str
    number: int


def load(database: Path, workspace: Path) -> LoadResult:
    """Bring the raw tables of `database` up to the end of the ledger of `workspace`.

    Parameters
    ----------
    database : Path
        DuckDB file; made if absent. No other process may have it open.
    workspace : Path
        The folder `.assay`.

    Raises
    ------
    NothingToBuildError
        If there is no ledger or it has no record.
    EvidenceAlteredError
        If a record, a checkpoint or a named blob is not what was written.
    HistoryDiffersError
        If the ledger does not begin with the records that were loaded before.
    BuildFileError
        If the file is damaged. One of another version of this code is made anew: all of it is
        derived.
    """
    if not list_segments(workspace / "ledger"):
        raise NothingToBuildError(
            "no ledger in the workspace",
            where=str(workspace / "ledger"),
            why="everything in the warehouse is derived from the ledger",
            fix="run `assay run` first, or name another workspace with `assay -C DIR`",
        )
    database.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _load(database, workspace)
    except _ContentErased:
        # What was loaded lies in the file until it is gone: so the file goes, and with it the rest.
        why = "content that it held was lawfully erased"
    except _LayoutDiffers:
        why = "it was made by another version of this code"
    database.unlink()
    return replace(_load(database, workspace), anew=why)


def _load(database: Path, workspace: Path) -> LoadResult:
    with _opened(database) as connection:
        connection.begin()
        result = _add_records(connection, workspace / "ledger", database.with_suffix(".incoming"))
        _add_documents(connection, BlobStore(workspace / "blobs"))
        _replace_checkpoints(connection, workspace / "ledger")
        connection.commit()
    return result


def _opened(database: Path) -> duckdb.DuckDBPyConnection:
    """Open the build file, making its raw tables if it is new."""
    layout = files("warehouse").joinpath("raw.sql").read_text(encoding="utf-8")
    digest = hashlib.sha256(layout.encode()).hexdigest()
    is_new = not database.exists()
    try:
        connection = duckdb.connect(str(database))
        if is_new:
            connection.execute(layout)
            connection.execute("insert into raw.layout values (?)", [digest])
        found = connection.execute("select sha256 from raw.layout").fetchall()
    except duckdb.Error as error:
        raise _unusable(database, str(error).partition("\n")[0]) from error
    if found != [(digest,)]:
        connection.close()
        raise _LayoutDiffers
    return connection


def _unusable(database: Path, why: str) -> BuildFileError:
    return BuildFileError(
        "the build file of the warehouse cannot be used",
        where=str(database),
        why=why,
        fix="run `assay build --rebuild`: everything in it is derived from the ledger",
    )


def _add_records(connection: duckdb.DuckDBPyConnection, ledger: Path, incoming: Path) -> LoadResult:
    before = _loaded(connection)
    digest = _pass_over(connection, before, ledger)
    head, count = before.head, before.count
    for batch in _batches(_checked(ledger, before.count, before.head)):
        lines = [line for _, line, _ in batch]
        digest.update(b"\n".join(lines) + b"\n")
        _insert(connection, lines, incoming)
        head, count = batch[-1][2].hex(), count + len(batch)
    if count == 0:
        raise NothingToBuildError(
            "the ledger has no record",
            where=str(ledger),
            why="everything in the warehouse is derived from records",
            fix="run `assay run` first",
        )
    if count > before.count:
        _check_places(connection)
        _check_stubs(connection)
        connection.execute(
            "insert into raw.loads values (?, ?, ?, ?, ?)",
            [before.number + 1, before.count, count - 1, head, digest.hexdigest()],
        )
    return LoadResult(count - before.count, count - 1, head)


def _loaded(connection: duckdb.DuckDBPyConnection) -> _Loaded:
    row = connection.execute(
        "select through_seq + 1, through_hash, ledger_sha256, load_number "
        "from raw.loads order by load_number desc limit 1"
    ).fetchone()
    return _Loaded(*row) if row else _Loaded(0, ZERO, hashlib.sha256().hexdigest(), 0)


def _pass_over(
    connection: duckdb.DuckDBPyConnection, before: _Loaded, ledger: Path
) -> hashlib._Hash:
    """Return the digest of the lines loaded already; refuse if they are not what was loaded."""
    digest = hashlib.sha256()
    found = 0
    for _, line in itertools.islice(iter_lines(ledger), before.count):
        digest.update(line + b"\n")
        found += 1
    if found == before.count and digest.hexdigest() == before.sha256:
        return digest
    seq = _first_difference(connection, ledger)
    if seq is None:
        raise _ContentErased
    raise HistoryDiffersError(
        f"the ledger differs at seq {seq} from what the warehouse loaded earlier",
        where=f"ledger, record {seq} ({found} of {before.count} loaded records are there)",
        why="records are never changed or removed; one of the two was",
        fix="run `assay verify`; if the ledger was rightly replaced, `assay build --rebuild`",
    )


def _first_difference(connection: duckdb.DuckDBPyConnection, ledger: Path) -> int | None:
    """Return the first record that is not what was loaded; None if all were lawfully erased."""
    stored = connection.cursor().execute("select line from raw.records order by seq")
    redactions = Redactions(ledger)
    seq = -1
    for seq, line in iter_lines(ledger):
        row = stored.fetchone()
        if row is None:
            return None
        loaded = row[0].encode()
        if loaded != line and redactions.hash_of_stub(seq, line) != hash_of_line(loaded):
            return seq
    return seq + 1 if stored.fetchone() else None


def _checked(ledger: Path, start: int, head: str) -> Iterator[_Line]:
    """Yield the lines from `start` on, each checked to state its hash and the one before.

    A stub states the hash of what was erased; that a redaction allows it is checked at the end.
    """
    before = head.encode()
    for seq, line in iter_lines(ledger, start):
        digest = hash_of_line(line)
        stub = None if digest else parse_stub(line)
        if stub is not None:
            digest = bytes.fromhex(stub.hash)
        if not digest or link_of_line(line) != before:
            raise broken(ledger, seq)
        before = digest.hex().encode()
        yield seq, line, digest


def _check_stubs(connection: duckdb.DuckDBPyConnection) -> None:
    """Refuse a stub that no later redaction names."""
    row = connection.execute(_UNEXPLAINED).fetchone()
    if row is not None:
        raise EvidenceAlteredError(
            f"the content of record {row[0]} was erased, and no later redaction names it",
            where=f"ledger, record {row[0]}",
            why="lawful erasure is recorded; anything else is tampering",
            fix="run `assay verify`; restore the line from a copy",
        )


def _batches(lines: Iterable[_Line]) -> Iterator[list[_Line]]:
    batch: list[_Line] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line[1])
        if size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _check_places(connection: duckdb.DuckDBPyConnection) -> None:
    """Refuse records that state another seq than their place in the file."""
    row = connection.execute(
        "select place, seq from "
        "(select row_number() over (order by rowid) - 1 as place, seq from raw.records) "
        "where place != seq order by place limit 1"
    ).fetchone()
    if row is not None:
        raise EvidenceAlteredError(
            f"expected seq {row[0]} at its place in the ledger, found {row[1]}",
            where=f"ledger, record {row[0]}",
            why="seq counts from 0 without gaps; it is what every table cites",
            fix="run `assay verify`; restore the ledger from a copy that agrees with a checkpoint",
        )


def _insert(connection: duckdb.DuckDBPyConnection, lines: list[bytes], incoming: Path) -> None:
    """Insert checked lines through a file of exactly these bytes, the fastest way in."""
    incoming.write_bytes(b"\n".join(lines) + b"\n")
    try:
        connection.execute(_INSERT, [str(incoming)])
    except duckdb.Error as error:
        raise EvidenceAlteredError(
            "a line of the ledger has a right hash and is not a record",
            where=str(error).partition("\n")[0],
            why="a record is one JSON object with known fields",
            fix="run `assay verify`, which names the record",
        ) from error
    finally:
        incoming.unlink()


def _add_documents(connection: duckdb.DuckDBPyConnection, blobs: BlobStore) -> None:
    """Load the JSON blobs that records name as result or manifest and that are not loaded yet."""
    if connection.execute(_KEPT).fetchone():
        raise _ContentErased
    erased = {digest for (digest,) in connection.execute(_ERASED).fetchall()}
    for digest, role in connection.execute(_DOCUMENTS).fetchall():
        if digest in erased:
            continue
        try:
            content = blobs.get(Digest(digest)).decode()
        except BlobMissingError as error:
            raise EvidenceAlteredError(
                f"the {role} {digest} is named by a record and missing",
                where=error.where,
                why="a result too long for a line stands in a blob; the tables need it",
                fix=error.fix,
            ) from error
        connection.execute("insert into raw.documents values (?, ?, ?)", [digest, role, content])


def _replace_checkpoints(connection: duckdb.DuckDBPyConnection, ledger: Path) -> None:
    """Load every checkpoint on disk, each opened with the keys that were valid at its size."""
    genesis = read_genesis(ledger)
    keys = KeyRing(genesis.origin, VerifyKey.parse(genesis.vkey))
    changes = "select line from raw.records where type = 'key' and not redacted order by seq"
    for (line,) in connection.execute(changes).fetchall():
        keys.apply(read_record(line.encode()))
    connection.execute("delete from raw.checkpoints")
    for size in list_sizes(ledger):
        note = (ledger / "checkpoints" / f"{size:012d}").read_bytes()
        checkpoint = open_checkpoint(note, keys.valid_at(size), origin=genesis.origin)
        connection.execute(
            "insert into raw.checkpoints values (?, ?, ?, ?)",
            [checkpoint.size, checkpoint.origin, checkpoint.root, checkpoint.note.decode()],
        )

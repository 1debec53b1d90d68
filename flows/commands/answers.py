"""What an answer stands on: the head of its snapshot, held against the ledger on disk.

A snapshot stays as it was when the ledger is altered afterwards. So every answer names the record
it was derived through, and says when the ledger has moved on or does not verify any more.
"""

from __future__ import annotations

import os
import re
import resource
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from flows.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flows.output import Output
    from flows.settings import Workspace
    from warehouse.query import Limits, QueryResult
    from warehouse.snapshots import SnapshotHead

OWN_KINDS = ("build",)
"""Runs that follow every build and decide nothing: the record of the build itself."""


def judge_ledger(workspace: Workspace, head: SnapshotHead) -> tuple[str, ...]:
    """Return what is to be said about a ledger from which a snapshot was built; empty if nothing.

    Parameters
    ----------
    workspace : Workspace
        Whose ledger.
    head : SnapshotHead
        What the snapshot stands on.
    """
    from flows.keyring import trusted  # noqa: PLC0415 - lazily, like everything about keys
    from ledger import LedgerError, verify  # noqa: PLC0415

    try:
        found = verify(workspace.ledger, level="fast", keys=trusted(workspace))
    except LedgerError as error:
        return (f"the ledger cannot be read any more: {error.what}; the answer is from before",)
    worst = [finding for finding in found.findings if finding.kind != "torn"]
    if worst:
        text = (
            f"the ledger does not verify any more ({worst[0].kind}: {worst[0].message}); the "
            "answer is from a snapshot of before: `assay verify`"
        )
        return (text,)
    return _compare(workspace.ledger, head)


def _compare(ledger: Path, head: SnapshotHead) -> tuple[str, ...]:
    from ledger import read_records  # noqa: PLC0415

    later = list(read_records(ledger, head.through_seq))
    if not later or later[0].hash != head.through_hash:
        text = (
            f"record {head.through_seq} of the ledger is not the one that the snapshot was built "
            "on: this is another history; `assay build --rebuild` after `assay verify`"
        )
        return (text,)
    builds = {
        record.run_id
        for record in later
        if record.type == "run" and record.data.get("kind") in OWN_KINDS
    }
    newer = sum(record.run_id not in builds for record in later[1:])
    if newer:
        plural = "record" if newer == 1 else "records"
        return (f"the ledger has {newer} {plural} more than the snapshot: `assay build`",)
    return ()


GRACE_SECONDS = 5.0
"""A statement that DuckDB cannot stop is given this long, then the process ends."""
ROOM = 2 << 30
"""Address space besides the memory of the statement: interpreter, libraries, the file itself."""
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(KB|MB|GB|TB|KiB|MiB|GiB|TiB)", re.IGNORECASE)
_FACTORS = {"k": 10, "m": 20, "g": 30, "t": 40}


@contextmanager
def hard_limits(output: Output, limits: Limits) -> Iterator[None]:
    """Bound a statement by the operating system too; for a process that does nothing else.

    DuckDB looks at its limits between vectors of rows. A function that makes one huge value never
    comes to that: then the address space runs out, or the watch ends the process.

    Raises
    ------
    UsageError
        If the memory limit is not a size.
    """
    most = _bytes_of(limits.memory) + _address_space() + ROOM
    before = resource.getrlimit(resource.RLIMIT_AS)
    bounded = most if before[1] == resource.RLIM_INFINITY else min(most, before[1])
    watch = threading.Timer(limits.seconds + GRACE_SECONDS, _end, [output, limits])
    watch.daemon = True
    resource.setrlimit(resource.RLIMIT_AS, (bounded, before[1]))
    watch.start()
    try:
        yield
    finally:
        watch.cancel()
        resource.setrlimit(resource.RLIMIT_AS, before)


def _end(output: Output, limits: Limits) -> None:
    from warehouse.errors import QueryFailedError  # noqa: PLC0415 - duckdb

    error = QueryFailedError(
        f"no answer within {limits.seconds:g} s, and the statement does not stop",
        where="SQL",
        why="a single value grew beyond measure; the process was ended",
        fix="write a statement of smaller values",
    )
    code = output.failed(error)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _bytes_of(size: str) -> int:
    found = _SIZE.fullmatch(size.strip())
    if found is None:
        raise UsageError(
            f"{size!r} is no amount of memory",
            where="--memory",
            why="a statement is answered within a limit",
            fix="write it as 500MB or 2GB",
        )
    return int(float(found[1]) * (1 << _FACTORS[found[2][0].lower()]))


def _address_space() -> int:
    """Return the bytes of address space that this process has mapped."""
    try:
        with open("/proc/self/statm", encoding="ascii") as stream:  # noqa: PTH123 - no file
            return int(stream.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


def describe_head(head: SnapshotHead) -> str:
    """Return the line under an answer."""
    return f"from the ledger through record {head.through_seq}, {head.through_hash}"


def save_parquet(
    output: Output, result: QueryResult, path: Path, head: SnapshotHead, sql: str
) -> None:
    """Write an answer as Parquet with head and checkpoint, and say so."""
    from warehouse.parquet import metadata_of, write_parquet  # noqa: PLC0415

    write_parquet(result, path, metadata_of(head, sql))
    output.note(f"{len(result.rows)} rows written to {path}")
    if result.truncated:
        output.warnings.append(f"there are more than {len(result.rows)} rows: allow more")

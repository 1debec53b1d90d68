"""Builds the warehouse: load, derive, hash, publish.

1. `load` brings `build.duckdb` up to the end of the ledger; the head that the marts stand on is
   written beside the records. A crash here leaves the file as it was. Tables that the same models
   derived at an earlier head stay; any other model, or an earlier head, begins from the records.
2. Models marked `grows_by` replace only what new records can have changed; the others are derived
   anew. dbt runs in a process of its own, which ends and thereby releases the file. A crash here
   leaves the published snapshot as it was.
3. The marts are hashed and the file is copied to `snapshots/<seq>-<hash>.duckdb`, read-only, by an
   atomic rename; then `snapshot.duckdb` points to it. Readers keep the file they have opened.

The content of a mart depends on the records up to the head and on nothing else: not on the clock,
on earlier loads, or on the file. Recording the hashes is the caller's task; the warehouse never
appends to the ledger.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from warehouse.digest import SCHEMAS, hash_marts
from warehouse.errors import (
    BuildFailedError,
    EvidenceAlteredError,
    NothingToBuildError,
    WarehouseBusyError,
)
from warehouse.lineage import TABLE, derive_lineage, read_columns, read_models, write_lineage
from warehouse.load import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from warehouse.digest import MartDigest
    from warehouse.load import LoadResult

PROJECT = Path(__file__).resolve().parent.parent / "dbt_project"
"""The dbt project of this checkout."""
DERIVED = ("staging", "intermediate", *SCHEMAS)
"""The schemas that dbt makes. Other models begin without them, so none leaves a table behind."""
SNAPSHOTS_KEPT = 3
"""Older snapshots are removed; all of them can be built again."""

_SOURCES = frozenset({".sql", ".yml", ".md", ".csv"})
"""Files of the dbt project that can change a mart."""

# Late facts change rows of older runs only through a decision that both name, so the runs that
# share one with a new record are derived anew as well.
_GROWTH = """
insert into raw.growth
with recent as (
    select run_id, regexp_replace(id, '/[0-9]+$', '') as decision_key
    from raw.records where seq > $1
)
select run_id, min(seq)
from raw.records
where run_id in (
    select run_id from recent where run_id is not null
    union
    select run_id from raw.records
    where run_id is not null and regexp_replace(id, '/[0-9]+$', '') in (
        select decision_key from recent where decision_key is not null
    )
)
group by run_id
"""

_CHAIN_TESTS = ("assert_chain_holds", "assert_marts_stand_on_the_head")
_DBT = "from dbt.cli.main import cli; cli()"


@dataclass(frozen=True, slots=True)
class RuleFindings:
    """How often recorded facts break one rule (`health.fct_findings`).

    Attributes
    ----------
    rule : str
        Name of the rule.
    count : int
        Number of findings.
    """

    rule: str
    count: int


@dataclass(frozen=True, slots=True)
class BuildResult:
    """A published warehouse.

    Attributes
    ----------
    through_seq, through_hash : int, str
        The record that the marts stand on.
    marts : tuple of MartDigest
        In order of their names.
    findings : tuple of RuleFindings
        Rules that recorded facts break; empty if none.
    snapshot : Path
        The published file.
    loaded : LoadResult
        What was loaded.
    seconds : float
        How long it took; observed, never compared.
    """

    through_seq: int
    through_hash: str
    marts: tuple[MartDigest, ...]
    findings: tuple[RuleFindings, ...]
    snapshot: Path
    loaded: LoadResult
    seconds: float

    def to_payload(self) -> dict[str, object]:
        """Return the result of `build@1`."""
        return {
            "through_seq": self.through_seq,
            "through_hash": self.through_hash,
            "marts": [mart.to_payload() for mart in self.marts],
        }


def build(workspace: Path, *, through_seq: int | None = None, rebuild: bool = False) -> BuildResult:
    """Derive every mart from the ledger of a workspace and publish them as a snapshot.

    Parameters
    ----------
    workspace : Path
        The folder `.assay`.
    through_seq : int, optional
        The record that the marts stand on; the last one of the ledger if absent. A caller who
        records the build names the record before its own.
    rebuild : bool
        Forget what was loaded earlier and begin from the ledger alone.

    Raises
    ------
    EvidenceAlteredError
        If the ledger or the warehouse is not what was written (`HistoryDiffersError` if the ledger
        was replaced since the last build).
    NothingToBuildError
        If there is no such record.
    BuildFailedError
        If a model or a test fails; it is named, and nothing is published.
    WarehouseBusyError
        If another process builds this warehouse.
    """
    started = time.perf_counter()
    folder = workspace / "warehouse"
    folder.mkdir(parents=True, exist_ok=True)
    database = folder / "build.duckdb"
    with _locked(folder / "lock"):
        if rebuild:
            database.unlink(missing_ok=True)
        loaded = load(database, workspace)
        head = loaded.through_seq if through_seq is None else through_seq
        head_hash = _set_head(database, head)
        marts, findings = _derive(database, folder / "dbt")
        _mark_derived(database, head)
        snapshot = _publish(database, folder, f"{head}-{head_hash[:12]}.duckdb")
    seconds = time.perf_counter() - started
    return BuildResult(head, head_hash, marts, findings, snapshot, loaded, seconds)


def rehash(workspace: Path, through_seq: int) -> tuple[MartDigest, ...]:
    """Return the content hashes of the marts at an earlier head, built from the ledger alone.

    Nothing is published and the warehouse is not touched: this is how a recorded build is checked.

    Parameters
    ----------
    workspace : Path
        The folder `.assay`.
    through_seq : int
        The head, as recorded by the build.
    """
    with tempfile.TemporaryDirectory(dir=workspace, prefix="rehash-") as scratch:
        database = Path(scratch) / "build.duckdb"
        load(database, workspace)
        _set_head(database, through_seq)
        return _derive(database, Path(scratch) / "dbt")[0]


@contextmanager
def derived_at(workspace: Path, through_seq: int) -> Iterator[Path]:
    """Yield the marts at an earlier head as a database that is gone afterwards.

    Nothing is published and the warehouse is not touched: this is how a report of an earlier head
    is rendered again when its snapshot is not kept any more.

    Parameters
    ----------
    workspace : Path
        The folder `.assay`.
    through_seq : int
        The head, as named by the report.
    """
    with tempfile.TemporaryDirectory(dir=workspace, prefix="rederive-") as scratch:
        database = Path(scratch) / "build.duckdb"
        load(database, workspace)
        _set_head(database, through_seq)
        _derive(database, Path(scratch) / "dbt")
        yield database


def _set_head(database: Path, through_seq: int) -> str:
    """Write which record the marts stand on, prepare what is derived, and return its hash."""
    with duckdb.connect(str(database)) as connection:
        row = connection.execute(
            "select hash from raw.records where seq = ?", [through_seq]
        ).fetchone()
        if row is None:
            raise NothingToBuildError(
                f"there is no record {through_seq} to build on",
                where="ledger",
                why="marts stand on a record of the ledger",
                fix="name the `through_seq` of a recorded build, or none for the last record",
            )
        connection.begin()
        _prepare_growth(connection, through_seq)
        connection.execute("delete from raw.head")
        connection.execute("insert into raw.head values (?, ?)", [through_seq, row[0]])
        connection.commit()
    return str(row[0])


def _prepare_growth(connection: duckdb.DuckDBPyConnection, through_seq: int) -> None:
    """Keep what the same models derived up to an earlier head; drop everything otherwise."""
    connection.execute("delete from raw.growth")
    kept = connection.execute(
        "select through_seq from raw.derived where models_sha256 = ? and through_seq <= ?",
        [hash_models(), through_seq],
    ).fetchone()
    if kept is not None:
        connection.execute(_GROWTH, [kept[0]])
        return
    connection.execute("delete from raw.derived")
    for schema in DERIVED:
        connection.execute(f"drop schema if exists {schema} cascade")


def hash_models() -> str:
    """Return the digest of everything in the dbt project and of the versions that run it."""
    digest = hashlib.sha256(f"{version('dbt-core')} {duckdb.__version__}\n".encode())
    for path in sorted(PROJECT.rglob("*")):
        if path.suffix in _SOURCES and "target" not in path.relative_to(PROJECT).parts:
            content = path.read_bytes()
            digest.update(f"{path.relative_to(PROJECT).as_posix()} {len(content)}\n".encode())
            digest.update(content)
    return digest.hexdigest()


def _derive(
    database: Path, target: Path
) -> tuple[tuple[MartDigest, ...], tuple[RuleFindings, ...]]:
    """Run dbt on `database` and return what the marts hold."""
    run_dbt(database, target, "build", "--no-write-json", "--exclude-resource-type", "unit_test")
    with duckdb.connect(str(database)) as connection:
        columns = read_columns(connection)
        if TABLE not in columns:  # What is kept of an earlier build was derived by the same models.
            write_lineage(connection, derive_lineage(read_models(target), columns))
        findings = connection.execute(
            "select rule, count(*) from health.fct_findings group by rule order by rule"
        ).fetchall()
        return hash_marts(connection), tuple(RuleFindings(*row) for row in findings)


def _mark_derived(database: Path, through_seq: int) -> None:
    """Write that everything derived is whole, so that the next build may add to it."""
    with duckdb.connect(str(database)) as connection:
        connection.begin()
        connection.execute("delete from raw.derived")
        connection.execute("insert into raw.derived values (?, ?)", [through_seq, hash_models()])
        connection.execute("delete from raw.growth")
        connection.commit()


def run_dbt(database: Path, target: Path, *arguments: str) -> None:
    """Run dbt on `database` in a process of its own, without network, telemetry or home folder.

    Parameters
    ----------
    database : Path
        DuckDB file that dbt writes.
    target : Path
        Folder for compiled models and logs; kept, so that the next run parses only what changed.
    arguments : str
        Command and options of dbt.

    Raises
    ------
    BuildFailedError
        If a model or a test fails, naming the first.
    EvidenceAlteredError
        If it is a test of the chain.
    """
    target.mkdir(parents=True, exist_ok=True)
    places = {
        "--project-dir": PROJECT,
        "--profiles-dir": PROJECT,
        "--target-path": target,
        "--log-path": target,
    }
    options = [word for name, place in places.items() for word in (name, str(place))]
    command = [sys.executable, "-c", _DBT, *_QUIET, *arguments, *options]
    done = subprocess.run(  # noqa: S603 - our own interpreter and project
        command,
        cwd=target,
        env={**_ENVIRONMENT, "ASSAY_WAREHOUSE_FILE": str(database), "HOME": str(target)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        raise _explain(done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


_QUIET = (
    "--no-version-check",
    "--no-send-anonymous-usage-stats",
    "--quiet",
    "--log-format=json",
    "--no-use-colors",
    "--log-level-file=none",
)

_ENVIRONMENT = {
    "DO_NOT_TRACK": "1",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "PATH": os.defpath,
    "PYTHONHASHSEED": "0",
}
"""The whole environment of dbt: what is not here cannot change a mart."""


def _explain(output: str, errors: str) -> BuildFailedError | EvidenceAlteredError:
    """Return the error for a failed dbt run from its structured log."""
    nodes: list[str] = []
    messages: list[str] = []
    for line in output.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if event["info"]["level"] != "error":
            continue
        name = event.get("data", {}).get("node_info", {}).get("node_name", "")
        nodes.extend([name] if name and name not in nodes else [])
        messages.append(str(event["info"]["msg"]).strip())
    where = ", ".join(nodes) or "dbt"
    why = " | ".join(message for message in messages if message) or (output + errors)[-2000:]
    if any(name in _CHAIN_TESTS for name in nodes):
        return EvidenceAlteredError(
            f"the tables of the warehouse are not a verified ledger: {nodes[0]} fails",
            where=where,
            why=why,
            fix="run `assay verify`, then `assay build --rebuild`; compare the two heads",
        )
    return BuildFailedError(
        f"the warehouse could not be built: {nodes[0] if nodes else 'dbt'} fails",
        where=where,
        why=why,
        fix="correct the model, or the record that it cannot read; nothing was published",
    )


def _publish(database: Path, folder: Path, name: str) -> Path:
    """Copy the database to an immutable snapshot and make it the newest."""
    snapshots = folder / "snapshots"
    snapshots.mkdir(exist_ok=True)
    draft, published = snapshots / f".{name}", snapshots / name
    draft.unlink(missing_ok=True)
    shutil.copyfile(database, draft)
    with draft.open("rb") as stream:
        os.fsync(stream.fileno())
    draft.chmod(0o444)
    draft.replace(published)
    link = folder / ".snapshot.duckdb"
    link.unlink(missing_ok=True)
    link.symlink_to(Path("snapshots") / name)
    link.replace(folder / "snapshot.duckdb")
    newest_last = sorted(snapshots.glob("*.duckdb"), key=lambda path: path.stat().st_mtime_ns)
    for old in newest_last[:-SNAPSHOTS_KEPT]:
        if old != published:
            old.unlink()
    return published


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise WarehouseBusyError(
                "another process builds this warehouse",
                where=str(path),
                why="one writer at a time; readers use the published snapshot meanwhile",
                fix="wait for it to end and try again",
            ) from error
        yield

"""The marts depend on the records up to the head and on nothing else."""

from __future__ import annotations

import fcntl
import stat
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import duckdb
import pytest

from ledger import dumps, sha256
from tests.warehouse.derivation import build_schemas, derive, nodes
from tests.warehouse.synthetic import write_workspace
from warehouse import lineage
from warehouse.build import _derive, _set_head, build, hash_models, rehash
from warehouse.digest import MartDigest, hash_marts
from warehouse.errors import (
    BuildFailedError,
    EvidenceAlteredError,
    NothingToBuildError,
    WarehouseBusyError,
)
from warehouse.load import load

if TYPE_CHECKING:
    from pathlib import Path

    from ledger import Draft
    from warehouse.build import BuildResult

pytestmark = pytest.mark.slow

EARLIER = 100
GROWN = (40, 75)


@dataclass(frozen=True, slots=True)
class History:
    """A workspace that was built at an earlier head, then at the end, and checked."""

    workspace: Path
    earlier: BuildResult
    whole: BuildResult
    rehashed: tuple[MartDigest, ...]


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    """Build twice and rehash once, with dbt."""
    workspace = write_workspace(tmp_path_factory.mktemp("history"))
    earlier = build(workspace, through_seq=EARLIER)
    whole = build(workspace)
    return History(workspace, earlier, whole, rehash(workspace, EARLIER))


def digests_of(database: Path) -> tuple[MartDigest, ...]:
    """Return the content hashes of a database."""
    with duckdb.connect(str(database), read_only=True) as connection:
        return hash_marts(connection)


def test_a_recorded_build_can_be_checked_from_the_ledger_alone(history: History) -> None:
    """Later records, later builds and an empty folder change no hash of an earlier head."""
    assert history.rehashed == history.earlier.marts
    assert history.earlier.marts != history.whole.marts


def test_the_folder_can_be_deleted(history: History, tmp_path: Path) -> None:
    """A build on top of an earlier one has the marts of a build from nothing."""
    assert digests_of(derive(write_workspace(tmp_path))) == history.whole.marts


def test_compiled_models_give_the_marts_of_a_build(history: History, tmp_path: Path) -> None:
    """What the other tests derive without dbt is what dbt derives."""
    database = derive(write_workspace(tmp_path), through_seq=EARLIER)
    assert digests_of(database) == history.earlier.marts


def test_the_result_is_a_payload(history: History) -> None:
    """The result of `build@1` can be recorded, and names head and every mart."""
    payload = history.whole.to_payload()
    assert dumps(payload)
    assert sorted(payload) == ["marts", "through_hash", "through_seq"]
    assert payload["through_seq"] == 156
    marts = {f"{m.schema}.{m.name}" for m in nodes("model") if m.schema in build_schemas()}
    assert {mart.name for mart in history.whole.marts} == {*marts, lineage.TABLE}
    assert history.whole.findings == ()


def test_a_snapshot_is_immutable_and_the_newest_has_a_fixed_name(history: History) -> None:
    """Readers open `snapshot.duckdb`; what they opened is never changed."""
    snapshots = sorted((history.workspace / "warehouse" / "snapshots").iterdir())
    link = history.workspace / "warehouse" / "snapshot.duckdb"
    assert {path.name for path in snapshots} == {
        history.earlier.snapshot.name,
        history.whole.snapshot.name,
    }
    assert link.resolve() == history.whole.snapshot
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o444 for path in snapshots)
    assert history.whole.snapshot.name == f"156-{history.whole.through_hash[:12]}.duckdb"
    assert digests_of(history.earlier.snapshot) == history.earlier.marts


def test_old_snapshots_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last three are kept."""
    monkeypatch.setattr("warehouse.build.run_dbt", lambda *_: None)
    monkeypatch.setattr("warehouse.build._derive", lambda *_: ((), ()))
    workspace = write_workspace(tmp_path)
    names = [build(workspace, through_seq=seq).snapshot.name for seq in (10, 11, 12, 13, 12)]
    left = {path.name for path in (workspace / "warehouse" / "snapshots").iterdir()}
    assert left == set(names[1:])


def test_marts_grown_in_parts_are_those_derived_at_once(tmp_path: Path, history: History) -> None:
    """Three heads, and an attempt that breaks off after its tables have grown."""
    workspace = write_workspace(tmp_path)
    database = workspace / "warehouse" / "build.duckdb"
    build(workspace, through_seq=GROWN[0])
    assert derived_through(database) == GROWN[0]
    _set_head(database, EARLIER)
    _derive(database, workspace / "warehouse" / "dbt")
    assert derived_through(database) == GROWN[0]
    build(workspace, through_seq=GROWN[1])
    assert build(workspace).marts == history.whole.marts
    assert digests_of(derive(write_workspace(tmp_path / "anew"))) == history.whole.marts


@pytest.mark.parametrize(
    ("models", "head", "is_kept"),
    [("same", EARLIER + 1, True), ("same", EARLIER - 1, False), ("others", EARLIER + 1, False)],
)
def test_only_tables_of_the_same_models_and_an_earlier_head_are_kept(
    tmp_path: Path, models: str, head: int, *, is_kept: bool
) -> None:
    """After an upgrade of the models, or on the way back, everything is derived anew."""
    workspace = write_workspace(tmp_path)
    database = workspace / "warehouse" / "build.duckdb"
    load(database, workspace)
    with duckdb.connect(str(database)) as connection:
        connection.execute("create schema metrics")
        connection.execute("create table metrics.fct_weights as select 1 as record_seq")
        digest = hash_models() if models == "same" else "0" * 64
        connection.execute("insert into raw.derived values (?, ?)", [EARLIER, digest])
    _set_head(database, head)
    with duckdb.connect(str(database), read_only=True) as connection:
        found = connection.execute(
            "select count(*) from information_schema.tables where table_schema = 'metrics'"
        ).fetchone()
    assert found == (int(is_kept),)


def test_a_run_grows_when_another_names_its_decision(tmp_path: Path) -> None:
    """A late attempt under another run id changes the run of the first, so both are derived."""
    workspace = write_workspace(tmp_path)
    database = workspace / "warehouse" / "build.duckdb"
    last = load(database, workspace).through_seq
    with duckdb.connect(str(database)) as connection:
        ((run_id, id_),) = connection.execute(
            "select run_id, id from raw.records where type = 'intent' order by seq limit 1"
        ).fetchall()
        first = connection.execute(
            "select min(seq) from raw.records where run_id = ?", [run_id]
        ).fetchone()
        connection.execute("insert into raw.derived values (?, ?)", [last, hash_models()])
        connection.execute(
            "insert into raw.records (seq, ts, type, run_id, id, prev_hash, hash, redacted, line) "
            "values (?, '', 'outcome', 'another', ?, '', '', false, '{}')",
            [last + 1, id_],
        )
    _set_head(database, last + 1)
    with duckdb.connect(str(database), read_only=True) as connection:
        grown = connection.execute("select * from raw.growth order by first_seq").fetchall()
    assert first is not None
    assert grown == [(run_id, first[0]), ("another", last + 1)]


def derived_through(database: Path) -> int:
    """Return how far the derived tables of a build file are whole."""
    with duckdb.connect(str(database), read_only=True) as connection:
        ((through,),) = connection.execute("select through_seq from raw.derived").fetchall()
    return int(through)


def test_a_failing_model_is_named_and_nothing_is_published(tmp_path: Path) -> None:
    """A result of a step that nobody reads stops the build."""

    def forget_a_step(drafts: list[Draft]) -> list[Draft]:
        at = next(i for i, draft in enumerate(drafts) if draft.type == "outcome")
        return [
            replace(draft, step="divine") if i == at else draft for i, draft in enumerate(drafts)
        ]

    workspace = write_workspace(tmp_path, change=forget_a_step)
    with pytest.raises(BuildFailedError, match="assert_every_result_is_staged") as caught:
        build(workspace)
    assert caught.value.exit_code == 70
    assert not (workspace / "warehouse" / "snapshot.duckdb").exists()


def test_tables_that_were_changed_behind_our_back_are_refused(tmp_path: Path) -> None:
    """A line edited in the build file no longer has its hash; the build says so with code 3."""
    workspace = write_workspace(tmp_path)
    database = derive(workspace)
    with duckdb.connect(str(database)) as connection:
        connection.execute(
            "update raw.records set line = replace(line, 'quant@', 'quAnt@') where seq = 24"
        )
    with pytest.raises(EvidenceAlteredError, match="assert_chain_holds") as caught:
        build(workspace)
    assert caught.value.exit_code == 3
    assert not (workspace / "warehouse" / "snapshot.duckdb").exists()


def test_two_builds_do_not_meet(workspace: Path) -> None:
    """The second is told to come back."""
    folder = workspace / "warehouse"
    folder.mkdir()
    with (folder / "lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(WarehouseBusyError) as caught:
            build(workspace)
    assert caught.value.exit_code == 75


@pytest.mark.parametrize("seq", [-1, 157])
def test_a_head_that_is_not_there_is_refused(workspace: Path, seq: int) -> None:
    """Marts stand on a record."""
    with pytest.raises(NothingToBuildError, match=str(seq)):
        build(workspace, through_seq=seq)


def test_the_hash_names_the_values() -> None:
    """A digest is the entry that `build@1` records."""
    digest = MartDigest("meta.dim_runs", 3, sha256(b"x"))
    assert digest.to_payload() == {"name": "meta.dim_runs", "rows": 3, "sha256": sha256(b"x")}

"""Answers name the ledger they stand on, and say when it is not the ledger on disk any more."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from flows import cli
from flows.commands.shell import answer_in_shell, complete, list_names, read_statements
from tests.warehouse.derivation import derive
from tests.warehouse.synthetic import records_of, write_workspace
from warehouse.query import Limits, open_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = 156
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a workspace whose snapshot stands on its last record."""
    root = tmp_path_factory.mktemp("published")
    workspace = write_workspace(root)
    built = derive(workspace)
    folder = workspace / "warehouse" / "snapshots"
    folder.mkdir()
    shutil.copyfile(built, folder / "156-story.duckdb")
    (workspace / "warehouse" / "snapshot.duckdb").symlink_to("snapshots/156-story.duckdb")
    return root


@pytest.fixture
def place(published: Path, tmp_path: Path) -> Path:
    """Return a copy that a test may alter."""
    return shutil.copytree(published, tmp_path / "copy", symlinks=True)


def run(capsys: pytest.CaptureFixture[str], place: Path, *words: str) -> tuple[int, str, str]:
    """Run one command and return exit code, standard output and standard error."""
    code = cli.run_app(["-C", str(place), *words])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def envelope(capsys: pytest.CaptureFixture[str], place: Path, *words: str) -> Any:
    """Run one command and return its JSON object."""
    return json.loads(run(capsys, place, *words, "--json")[1])


@pytest.mark.parametrize("words", [("ask", "5"), ("sql", "select 1 as a")])
def test_an_answer_names_the_head(
    capsys: pytest.CaptureFixture[str], published: Path, words: tuple[str, ...]
) -> None:
    """Text and JSON name the record and its hash; on an unchanged ledger nothing is warned of."""
    head = records_of(published / ".assay")[-1]
    found = envelope(capsys, published, *words)
    assert found["ledger"] == {"head": head.hash, "count": head.seq + 1}
    assert found["warnings"] == []
    _, text, _ = run(capsys, published, *words)
    assert f"from the ledger through record {HEAD}, {head.hash}" in text


def test_a_ledger_that_moved_on_is_said(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    """A snapshot of fewer records still answers, and says how many it does not know."""
    path = place / ".assay" / "warehouse" / "snapshots" / "156-story.duckdb"
    import duckdb  # noqa: PLC0415

    head = records_of(place / ".assay")[HEAD - 3]
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "update raw.head set through_seq = ?, through_hash = ?", [head.seq, head.hash]
        )
    found = envelope(capsys, place, "ask", "5")
    assert found["ledger"]["count"] == HEAD - 2
    assert found["warnings"] == ["the ledger has 3 records more than the snapshot: `assay build`"]


@pytest.mark.parametrize("words", [("ask", "5"), ("sql", "select 1 as a"), ("snapshot",)])
def test_an_altered_ledger_is_not_answered_without_a_word(
    capsys: pytest.CaptureFixture[str], place: Path, words: tuple[str, ...]
) -> None:
    """One byte of the ledger changed after the build: the answer is given with a warning."""
    ledger = place / ".assay" / "ledger" / "audit.jsonl"
    ledger.write_bytes(ledger.read_bytes().replace(b"quant@desk", b"quAnt@desk", 1))
    (warning,) = envelope(capsys, place, *words)["warnings"]
    assert "does not verify any more" in warning
    assert "warning: " in run(capsys, place, *words)[2]


def test_a_deleted_ledger_is_said_too(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    """Without a ledger there is nothing that the answer could be checked against."""
    shutil.rmtree(place / ".assay" / "ledger")
    found = envelope(capsys, place, "sql", "select 1 as a")
    assert len(found["warnings"]) == 1


def test_parquet_carries_head_and_checkpoint(
    capsys: pytest.CaptureFixture[str], published: Path, tmp_path: Path
) -> None:
    """The file has the rows, their types, and three lines that anybody can check."""
    path = tmp_path / "answer.parquet"
    code, text, _ = run(capsys, published, "ask", "28", "--csv", "--parquet", str(path))
    table = pq.read_table(path)
    assert code == 0
    assert table.num_rows == len(text.splitlines()) - 1
    assert str(table.schema.field("records").type) == "int64"
    metadata = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    head = records_of(published / ".assay")[-1]
    assert metadata["assay.head_hash"] == head.hash
    lines = metadata["assay.checkpoint"].split("\n")
    note = max((published / ".assay" / "ledger" / "checkpoints").iterdir()).read_text()
    assert lines == note.split("\n")[:3]


def test_a_parquet_file_that_cannot_be_written_is_an_error(
    capsys: pytest.CaptureFixture[str], published: Path, tmp_path: Path
) -> None:
    """Nothing is left behind."""
    code, _, errors = run(
        capsys, published, "sql", "select 1 as a", "--parquet", str(tmp_path / "no" / "x.parquet")
    )
    assert code == 2
    assert "E0344" in errors
    assert list(tmp_path.iterdir()) == []


def test_runs_are_named_by_repeated_flags(
    capsys: pytest.CaptureFixture[str], published: Path
) -> None:
    """`--run A --run B` are the two runs of a comparison; one too many is refused."""
    run_id = "20261120T040000Z-demo"
    found = envelope(capsys, published, "ask", "6", "--run", run_id, "--run", run_id)
    assert found["data"]["answer"]["rows"] == []
    one = envelope(capsys, published, "ask", "14", "--run", run_id)
    assert one["data"]["answer"]["rows"]
    assert run(capsys, published, "ask", "14", "--run", run_id, "--run", run_id)[0] == 2


def test_snapshots_are_listed_with_their_heads(
    capsys: pytest.CaptureFixture[str], published: Path
) -> None:
    """One snapshot, the current one, on the last record."""
    (row,) = envelope(capsys, published, "snapshot")["data"]
    assert (row["through_seq"], row["current"]) == (HEAD, True)
    assert row["bytes"] > 0
    assert "156-story.duckdb" in run(capsys, published, "snapshot")[1]


def test_lineage_is_a_path_to_the_record(
    capsys: pytest.CaptureFixture[str], published: Path
) -> None:
    """Text is indented by depth; JSON has every step; an unknown column is refused."""
    found = envelope(capsys, published, "lineage", "health.fct_asset_health.status")
    assert [step["column"] for step in found["data"]][:2] == [
        "health.fct_asset_health.status",
        "staging.stg_ledger__assessments.symbols",
    ]
    assert found["data"][-1]["layer"] == "raw"
    assert run(capsys, published, "lineage", "health.fct_asset_health.nothing")[0] == 2


def test_a_statement_comes_from_a_file(
    capsys: pytest.CaptureFixture[str], published: Path, tmp_path: Path
) -> None:
    """`-f FILE` reads one SELECT; together with a statement it is refused."""
    path = tmp_path / "one.sql"
    path.write_text("select 41 + 1 as answer\n", encoding="utf-8")
    assert run(capsys, published, "sql", "-f", str(path), "--csv")[1] == "answer\n42\n"
    assert run(capsys, published, "sql", "select 1", "-f", str(path))[0] == 2
    assert run(capsys, published, "sql", "-f", str(tmp_path / "none.sql"))[0] == 2


def test_memory_is_limited_by_the_caller(
    capsys: pytest.CaptureFixture[str], published: Path
) -> None:
    """A hungry statement fails with the limit in its message."""
    hungry = "select list(a.range || '-' || b.range) from range(100000) as a, range(1000) as b"
    code, _, errors = run(capsys, published, "sql", hungry, "--memory", "50MB")
    assert code == 2
    assert "50MB" in errors


def lines_of(*lines: str | BaseException) -> Iterator[str]:
    """Yield the statements of lines typed at the prompt; an exception is a key pressed."""
    typed = iter([*lines, EOFError()])

    def read(_prompt: str) -> str:
        line = next(typed)
        if isinstance(line, BaseException):
            raise line
        return line

    return read_statements(read)


def test_the_shell_reads_statements_of_several_lines() -> None:
    """A semicolon ends a statement; Ctrl-C drops what was begun; a word leaves."""
    assert list(lines_of("select 1", "as a;", ";", "select 2;")) == ["select 1\nas a", "select 2"]
    assert list(lines_of("select 1", KeyboardInterrupt(), "select 2;")) == ["select 2"]
    assert list(lines_of("select 1;", "\\q", "select 2;")) == ["select 1"]


def test_the_shell_answers_refuses_and_completes(published: Path) -> None:
    """Errors are shown and the session goes on; names complete whatever their case."""
    with open_snapshot(published / ".assay") as connection:
        assert "(1 row)" in answer_in_shell(connection, "select 1 as a", Limits())
        assert "E0331" in answer_in_shell(connection, "drop table raw.records", Limits())
        assert "E0332" in answer_in_shell(connection, "select * from nothing", Limits())
        names = list_names(connection)
    assert complete(names, "METRICS.fct_w") == ["metrics.fct_weights", "metrics.fct_window_metrics"]
    assert "record_seq" in complete(names, "record_s")


def test_an_interrupt_stops_the_statement_and_not_the_session(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while DuckDB computes; the next statement is answered on the same connection."""
    from concurrent.futures import Future  # noqa: PLC0415

    endless = "select count(*) from range(1000000000000) as a, range(1000) as b"
    whole = Future.result
    pressed: list[bool] = []

    def press(future: Future[Any], timeout: float | None = None) -> Any:
        if not pressed:
            pressed.append(True)
            raise KeyboardInterrupt
        return whole(future, timeout)

    with open_snapshot(published / ".assay") as connection:
        monkeypatch.setattr(Future, "result", press)
        assert answer_in_shell(connection, endless, Limits(seconds=60)) == "stopped"
        assert pressed
        monkeypatch.undo()
        assert "(1 row)" in answer_in_shell(connection, "select 1 as a", Limits())


def test_a_value_that_cannot_be_stopped_ends_the_process(published: Path) -> None:
    """DuckDB does not look at its clock inside one value; the command ends all the same."""
    tenfold = " || ".join(["s"] * 10)
    doubled = ", ".join(f"t{i} as (select {tenfold} as s from t{i - 1})" for i in range(1, 12))  # noqa: S608 - no input
    sql = f"with t0 as (select line as s from raw.records), {doubled} select length(s) from t11"  # noqa: S608 - no input
    command = [
        sys.executable,
        "-c",
        "from flows.cli import main; main()",
        "-C",
        str(published),
        "sql",
        sql,
    ]
    done = subprocess.run(
        [*command, "--seconds", "1", "--memory", "100MB"],
        capture_output=True, text=True, check=False, timeout=60, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 2
    assert "E0332" in done.stderr


def test_a_size_of_memory_is_checked(capsys: pytest.CaptureFixture[str], published: Path) -> None:
    """`plenty` is no size."""
    assert run(capsys, published, "sql", "select 1", "--memory", "plenty")[0] == 2

"""An auditor can ask anything of the snapshot, and change nothing with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import duckdb
import pytest

from warehouse.errors import QueryFailedError, QueryRefusedError, SnapshotMissingError
from warehouse.query import (
    check_statement,
    find_snapshot,
    format_csv,
    format_json,
    format_table,
    open_snapshot,
    run_query,
)

if TYPE_CHECKING:
    from pathlib import Path

HARMLESS = [
    "select 1",
    "select * from health.fct_findings",
    "with x as (select 1 as a) select a from x union all select 2 order by a",
    "select count(*) filter (where is_dirty) from meta.dim_runs",
    "select sha256('a'), regexp_replace('a', 'b', 'c'), data ->> 'stage' from raw.records limit 1",
    "select sum(weight order by symbol) over (partition by decision_id) from metrics.fct_weights",
    "select * from (select unnest([1, 2]) as n) where n > 1",
    "with recursive t(n) as (select 1 union all select n + 1 from t where n < 5) select n from t",
    "select * from range(3)",
]

HARMFUL = [
    "",
    ";",
    "select 1; select 2",
    "insert into raw.head values (1, 'x')",
    "update raw.records set hash = 'x'",
    "delete from raw.records",
    "merge into raw.head using raw.head as h on true when matched then delete",
    "truncate raw.records",
    "with x as (delete from raw.records returning *) select * from x",
    "create table x as select 1",
    "create temp macro f() as 1",
    "drop table raw.records",
    "alter table raw.records rename to r",
    "copy raw.records to 'out.parquet'",
    "copy (select 1) to '/tmp/out.csv'",
    "export database 'x'",
    "attach 'other.duckdb'",
    "detach build",
    "use raw",
    "set threads = 8",
    "reset threads",
    "pragma database_list",
    "pragma_database_list()",
    "call pragma_version()",
    "install httpfs",
    "load httpfs",
    "checkpoint",
    "vacuum",
    "begin",
    "explain analyze select 1",
    "values (1)",
    "select 1 into x",
    "select * from read_csv('/etc/passwd')",
    "select * from READ_CSV_AUTO('/etc/passwd')",
    "select * from read_text('/etc/passwd')",
    "select * from read_blob('/etc/passwd')",
    "select * from read_json('x.json')",
    "select * from read_parquet('x.parquet')",
    "select * from parquet_scan('x.parquet')",
    "select * from parquet_metadata('x.parquet')",
    "select * from sniff_csv('x.csv')",
    "select * from '/etc/passwd'",
    "select * from 'x.csv'",
    'select * from "x.parquet"',
    "select (select content from read_text('/etc/passwd'))",
    "select * from glob('/etc/*')",
    "select getenv('HOME')",
    "select * from query('drop table raw.records')",
    "select * from query_table('raw.records')",
    "select * from duckdb_secrets()",
    "select * from pragma_table_info('raw.records')",
    "select * from json_execute_serialized_sql('x')",
    "select * from sqlite_scan('x', 'y')",
]


@pytest.mark.parametrize("sql", HARMLESS)
def test_a_select_is_answered(derived: Path, sql: str) -> None:
    """Reading tables is what the snapshot is for."""
    assert run_query(derived, sql).columns


@pytest.mark.parametrize("sql", HARMFUL)
def test_everything_else_is_refused(sql: str) -> None:
    """Only one SELECT over tables and values passes the guard."""
    with pytest.raises(QueryRefusedError) as caught:
        check_statement(sql)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "sql",
    [sql for sql in HARMFUL if "/etc/passwd" in sql or sql.startswith(("set", "copy", "attach"))]
    + ["insert into raw.head values (1, 'x')", "install httpfs", "select getenv('HOME') is null"],
)
def test_the_connection_alone_refuses_too(derived: Path, sql: str) -> None:
    """Without the guard, DuckDB itself allows neither files, nor settings, nor writing."""
    with open_snapshot(derived) as connection, pytest.raises(duckdb.Error):
        connection.execute(sql).fetchall()


def test_variables_of_the_program_are_not_tables(derived: Path) -> None:
    """DuckDB would read a frame of the caller by its name."""
    frame = duckdb.sql("select 1 as a")
    with pytest.raises(QueryFailedError, match="frame"):
        run_query(derived, "select * from frame")
    del frame


def test_rows_are_limited_and_said_to_be(derived: Path) -> None:
    """A cut answer says that there is more."""
    cut = run_query(derived, "select * from range(10)", rows=3)
    whole = run_query(derived, "select * from range(3)", rows=3)
    assert (len(cut.rows), cut.truncated) == (3, True)
    assert (len(whole.rows), whole.truncated) == (3, False)


def test_time_is_limited(derived: Path) -> None:
    """A statement that does not end is interrupted."""
    endless = "select count(*) from range(1000000000000) as a, range(1000) as b"
    with pytest.raises(QueryFailedError, match=r"no answer within 0\.2 s"):
        run_query(derived, endless, seconds=0.2)


def test_memory_is_limited(derived: Path) -> None:
    """A statement that needs too much fails instead of taking the machine down."""
    hungry = "select list(a.range || '-' || b.range) from range(100000) as a, range(1000) as b"
    with pytest.raises(QueryFailedError, match="more than 50MB"):
        run_query(derived, hungry, memory="50MB")


def test_a_wrong_name_says_what_is_wrong(derived: Path) -> None:
    """The message of the database comes through."""
    with pytest.raises(QueryFailedError, match="no_such_table"):
        run_query(derived, "select * from no_such_table")


def test_parameters_are_values_never_text(derived: Path) -> None:
    """A parameter cannot become part of the statement."""
    found = run_query(derived, "select $name as name", {"name": "'; drop table raw.records; --"})
    assert found.rows == (("'; drop table raw.records; --",),)
    assert run_query(derived, "select ? + 1", [1]).rows == ((2,),)


def test_a_missing_snapshot_says_how_to_make_one(tmp_path: Path) -> None:
    """Nobody reads the build file by accident."""
    with pytest.raises(SnapshotMissingError, match="no snapshot"):
        find_snapshot(tmp_path)


def test_results_are_printed_for_people_and_programs(derived: Path) -> None:
    """Table, JSON and CSV show the same rows; NULL is `-`, null and nothing."""
    sql = (
        "select 'a,b' as name, 1.5::double as size, null::varchar as note, date '2026-01-31' as day"
    )
    result = run_query(derived, sql)
    table = format_table(result).splitlines()
    assert table[0].split() == ["name", "size", "note", "day"]
    assert table[2].split() == ["a,b", "1.5", "-", "2026-01-31"]
    assert table[3] == "(1 row)"
    shown = json.loads(json.dumps(format_json(result)))
    assert shown["rows"] == [["a,b", 1.5, None, "2026-01-31"]]
    assert shown["columns"] == ["name", "size", "note", "day"]
    assert format_csv(result).splitlines()[1] == '"a,b",1.5,,2026-01-31'

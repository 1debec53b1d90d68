"""Who may ask anything of the snapshot reads nothing else, changes nothing, takes no machine."""

from __future__ import annotations

import random
import shutil
from typing import TYPE_CHECKING

import duckdb
import pytest

from warehouse.errors import QueryFailedError, QueryRefusedError, WarehouseError
from warehouse.query import check_statement, open_snapshot, run_query

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "d0-not-read-me"  # noqa: S105 - what must never be answered

# `@` stands for a file with a secret, `#` for a folder to write into.
HOSTILE = [
    # reading files
    "select * from read_csv('@')",
    "select * from read_csv_auto('@')",
    "select * from read_text('@')",
    "select * from read_blob('@')",
    "select * from read_json('@')",
    "select * from read_json_auto('@')",
    "select * from read_json_objects('@')",
    "select * from read_ndjson('@')",
    "select * from read_parquet('@')",
    "select * from parquet_scan('@')",
    "select * from parquet_schema('@')",
    "select * from parquet_metadata('@')",
    "select * from parquet_file_metadata('@')",
    "select * from parquet_kv_metadata('@')",
    "select * from sniff_csv('@')",
    "select * from glob('@')",
    "select * from '@'",
    'select * from "@"',
    "select * from (select * from '@')",
    "with x as (select * from read_text('@')) select * from x",
    "select (select content from read_text('@'))",
    "select 1 where exists (select 1 from read_blob('@'))",
    "select * from range(1), read_text('@')",
    "select * from range(1) as r, lateral (select * from read_text('@')) as t",
    "select 1 union all select content from read_text('@')",
    "select content from ReAd_TeXt('@')",
    "select content from \"read_text\"('@')",
    "select /* harmless */ content from/**/read_text('@')",
    "select * from sqlite_scan('@', 'x')",
    "select * from postgres_scan('@', 'x', 'y')",
    "select * from iceberg_scan('@')",
    "select * from delta_scan('@')",
    "from read_text('@')",
    "from '@'",
    "select * from query('select * from read_text(''@'')')",
    "select * from query_table('@')",
    "select * from json_execute_serialized_sql(json_serialize_sql('select 1'))",
    # writing files
    "copy raw.records to '#/out.csv'",
    "copy (select 1) to '#/out.parquet' (format parquet)",
    "export database '#/dump'",
    "select * from write_log('x')",
    "attach '#/new.duckdb' as other",
    "attach '#/new.duckdb'; create table other.x as select 1",
    "create table x as select 1",
    "create or replace view v as select 1",
    "create secret s (type s3)",
    "create macro f(a) as a",
    # changing data
    "insert into raw.head values (1, 'x')",
    "update raw.records set hash = 'x'",
    "delete from raw.records",
    "truncate raw.records",
    "drop schema raw cascade",
    "alter table raw.records add column x int",
    "with x as (insert into raw.head values (1, 'x') returning *) select * from x",
    "with x as (update raw.records set hash = 'x' returning *) select * from x",
    "with x as (delete from raw.records returning *) select * from x",
    "select 1; drop table raw.records",
    "select 1; select 2",
    "select 1 ; -- \n delete from raw.records",
    "select 1 into outfile",
    "merge into raw.head using raw.head as h on true when matched then delete",
    # settings and environment
    "set memory_limit = '100GB'",
    "set enable_external_access = true",
    "reset all",
    "pragma threads = 8",
    "pragma database_list",
    "select * from pragma_database_list",
    "select * from pragma_database_list()",
    "select * from pragma_table_info('raw.records')",
    "select current_setting('memory_limit')",
    "select Current_Setting('home_directory')",
    "select * from duckdb_settings()",
    "select * from duckdb_settings",
    "select * from pg_catalog.pg_settings",
    "select * from pg_settings",
    "select * from duckdb_secrets()",
    "select * from duckdb_databases()",
    "select * from duckdb_extensions()",
    "select * from duckdb_temporary_files()",
    "select * from duckdb_logs",
    "select getenv('HOME')",
    "select getvariable('x')",
    "select * from which_secret('s3://x', 's3')",
    "install httpfs",
    "load httpfs",
    "load '@'",
    "force install spatial",
    "update extensions",
    # control
    "begin",
    "commit",
    "checkpoint",
    "vacuum",
    "analyze",
    "call pragma_version()",
    "call enable_logging()",
    "select * from enable_logging()",
    "execute p",
    "prepare p as select 1",
    "deallocate p",
    "explain analyze select 1",
    "describe select * from read_text('@')",
    "use raw",
    "kill 1",
    "",
    " ; ; ",
    "-- nothing",
    "select * from read_text(",
    # values that grow while nothing can stop them
    "select length(repeat('x', 1000000000))",
    "select repeat(repeat(repeat('x', 10000), 10000), 10000)",
    "select repeat('x', seq) from raw.records",
    "select lpad('x', 1000000000, 'y')",
    "select rpad('x', 1000000000, 'y')",
    "select len(range(1000000000))",
    "select len(generate_series(1, 1000000000))",
    "select unnest(range(1000000000000))",
    "select len(list_resize([1], 1000000000))",
    "select bar(1, 0, 1, 1000000000)",
    "select format('{:>1000000000}', 'x')",
    "select printf('%1000000000s', 'x')",
    "select printf(line, 1) from raw.records",
    "select levenshtein(line, line) from raw.records",
    "select damerau_levenshtein(line, line) from raw.records",
    "select '" + "x" * 100_001 + "'",
]

BOMBS = [
    "select count(*) from range(1000000000000) as a, range(1000) as b",
    "with recursive t(n) as (select 1 union all select n + 1 from t) select count(*) from t",
    "with recursive t(n) as (select 1 union all select n + 1 from t) select n from t where n < 0",
    "select count(*) from " + ", ".join(f"raw.records as {name}" for name in "abcdef"),  # noqa: S608
    "select list(a.range || '-' || b.range) from range(1000000) as a, range(1000) as b",
    "select string_agg(line, '') from raw.records, range(100000)",
]


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """Return a folder with a secret file; nothing may appear beside it."""
    (tmp_path / "secret.txt").write_text(SECRET, encoding="utf-8")
    return tmp_path


def written(sql: str, trap: Path) -> str:
    """Return a hostile statement with the places of the trap."""
    return sql.replace("@", str(trap / "secret.txt")).replace("#", str(trap))


def assert_untouched(trap: Path) -> None:
    """Fail if anything was written."""
    assert [path.name for path in trap.iterdir()] == ["secret.txt"]


def test_there_are_many() -> None:
    """Sixty kinds of attack at least, each another one."""
    assert len(set(HOSTILE)) == len(HOSTILE) > 60


@pytest.mark.parametrize("sql", HOSTILE)
def test_a_hostile_statement_is_refused(derived: Path, trap: Path, sql: str) -> None:
    """It is refused before it runs, and neither reads nor writes a file."""
    with pytest.raises(QueryRefusedError):
        run_query(derived, written(sql, trap))
    assert_untouched(trap)


@pytest.mark.parametrize("sql", [sql for sql in HOSTILE if "@" in sql or "#" in sql])
def test_without_the_guard_the_connection_refuses(derived: Path, trap: Path, sql: str) -> None:
    """The second lock alone keeps every file closed."""
    with open_snapshot(derived) as connection, pytest.raises(duckdb.Error):
        connection.execute(written(sql, trap)).fetchall()
    assert_untouched(trap)


@pytest.mark.parametrize("sql", BOMBS)
def test_a_bomb_hits_a_limit(derived: Path, sql: str) -> None:
    """Time or memory runs out for the statement, not for the machine."""
    with pytest.raises(QueryFailedError, match=r"no answer within|needs more than|cannot be"):
        run_query(derived, sql, seconds=0.5, memory="100MB")


def test_a_long_answer_is_cut(derived: Path) -> None:
    """A hundred million rows are asked for, ten are returned."""
    result = run_query(derived, "select * from range(100000000)", rows=10, seconds=5)
    assert (len(result.rows), result.truncated) == (10, True)


ALLOWED = [
    "select current_date is not null",
    "select * from duckdb_tables() limit 1",
    "select column_name from information_schema.columns limit 1",
    "select * from json_each('[1, 2]')",
    "select * from generate_series(1, 3)",
    "select unnest([1, 2])",
    "select repeat('0', 64), lpad('7', 4, '0'), unnest(range(3)), format('{:.3f}', 0.5)",
]


@pytest.mark.parametrize("sql", ALLOWED)
def test_what_only_reads_values_is_answered(derived: Path, sql: str) -> None:
    """The guard does not refuse honest questions."""
    assert run_query(derived, sql).rows


PIECES = (
    "select", "*", "from", "where", ";", "--", "/*", "*/", "'", '"', "(", ")", ",", "union all",
    "with x as (", "insert into raw.head values (1, 'x')", "delete from raw.records", "drop table",
    "copy", "to '#/out.csv'", "read_text('@')", "'@'", "attach '#/a.db'", "set threads = 2",
    "returning *", "raw.records", "1", "x", "$$", "e'\\'", "\\", "\n", "\x00", "lateral",
    "pragma version", "create table y as select 1", "values (1)", "range(3)", "as", "limit 1",
)  # fmt: skip
MUTANTS = 3000


def mutate(generator: random.Random, sql: str) -> str:
    """Return a statement with up to four pieces put in, cut out or exchanged."""
    words = sql.split(" ")
    for _ in range(generator.randint(1, 4)):
        place = generator.randrange(len(words) + 1)
        match generator.randrange(4):
            case 0:
                words.insert(place, generator.choice(PIECES))
            case 1:
                del words[place : place + 1]
            case 2:
                words[place : place + 1] = [generator.choice(PIECES)]
            case _:
                words[place:place] = [";", *generator.choice(HOSTILE[:100]).split(" ")]
    return " ".join(words)


def test_no_mutant_does_more_than_one_select(derived: Path, tmp_path: Path, trap: Path) -> None:
    """What the guard lets through of 3000 mutants is one SELECT, and touches no file."""
    folder = tmp_path / "snapshot"
    folder.mkdir()
    copied = shutil.copyfile(derived, folder / "copy.duckdb")
    before = copied.read_bytes()
    generator = random.Random(20261121)  # noqa: S311 - the same mutants every time
    seeds = [*ALLOWED * 8, *HOSTILE[:100], *BOMBS[:1]]
    passed = 0
    with duckdb.connect() as parser:
        for _ in range(MUTANTS):
            sql = written(mutate(generator, generator.choice(seeds)), trap)
            try:
                check_statement(sql)
            except QueryRefusedError:
                continue
            passed += 1
            kinds = _kinds(parser, sql)
            assert kinds in ([], [duckdb.StatementType.SELECT]), sql
            try:
                result = run_query(copied, sql, rows=5, seconds=0.2, memory="50MB")
            except WarehouseError:
                continue
            assert SECRET not in str(result.rows), sql
    assert passed > MUTANTS // 50
    assert copied.read_bytes() == before
    shutil.rmtree(folder)
    assert_untouched(trap)


def _kinds(connection: duckdb.DuckDBPyConnection, sql: str) -> list[duckdb.StatementType]:
    """Return what DuckDB's own parser makes of a statement; nothing if it cannot read it."""
    try:
        return [statement.type for statement in connection.extract_statements(sql)]
    except duckdb.Error:
        return []

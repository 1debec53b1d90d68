"""Questions to the published snapshot: one SELECT, nothing else, within limits.

Two locks, each of which would do: the statement is parsed and checked against a list of what is
allowed, and the connection is read-only, without access to files, network, extensions or settings.
The second lock also holds for statements that the parser understands differently from DuckDB.
"""

from __future__ import annotations

import csv
import io
import json
import logging
import re
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from warehouse.errors import QueryFailedError, QueryRefusedError, SnapshotMissingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

ROWS = 1000
"""Most rows returned unless the caller says otherwise."""
SECONDS = 10.0
"""Longest time a statement may run unless the caller says otherwise."""
MEMORY = "1GB"
"""Most memory a statement may use unless the caller says otherwise."""

_FORBIDDEN_NODES = (
    exp.DML,
    exp.DDL,
    exp.Command,
    exp.Into,
    exp.Copy,
    exp.Set,
    exp.Pragma,
    exp.Attach,
    exp.Detach,
    exp.Use,
    exp.Lock,
)
_FORBIDDEN_FUNCTIONS = frozenset(
    {
        "add_parquet_key", "bar", "current_setting", "damerau_levenshtein", "editdist3",
        "getenv", "getvariable", "glob",
        "jaro_similarity", "jaro_winkler_similarity", "json_execute_serialized_sql", "levenshtein",
        "parquet_bloom_probe", "query", "query_table", "sleep_ms",
        "sniff_csv", "sql_auto_complete", "which_secret", "write_log",
    }
)  # fmt: skip
_FORBIDDEN_PREFIXES = (
    "read_", "parquet_", "pragma_", "duckdb_", "pg_", "from_substrait", "http", "load_", "write_",
    "enable_", "disable_",
)  # fmt: skip
# One call makes a value of any size, and DuckDB neither stops nor accounts for it while it does.
_GROWING = frozenset(
    {
        "repeat", "pad", "lpad", "rpad", "list_resize", "array_resize", "range", "generate_series",
        "generate_date_array", "generate_timestamp_array",
    }
)  # fmt: skip
_FORMATS = frozenset({"format", "printf"})
_MOST_REPEATS = 1_000_000
# What yields rows from nothing but its arguments; every other function in FROM is refused.
_ROW_FUNCTIONS = frozenset(
    {
        "generate_series", "generate_subscripts", "json_each", "json_tree", "range", "unnest",
        "explode", "generate_date_array", "generate_timestamp_array", "repeat", "repeat_row",
    }
)  # fmt: skip
# The catalogue says which tables and columns there are, and nothing about machine or settings.
_CATALOGUE = frozenset(
    {
        "duckdb_tables", "duckdb_columns", "duckdb_views", "duckdb_schemas", "duckdb_types",
        "duckdb_constraints", "duckdb_keywords",
    }
)  # fmt: skip
_FORBIDDEN_SUFFIXES = ("_scan", "_attach")
_MAX_LENGTH = 100_000
# sqlglot prints a notice for each statement that it can only keep as text; those are refused here.
logging.getLogger("sqlglot").setLevel(logging.ERROR)
_WIDEST = 60
"""A column of `format_table` is cut at this many characters."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a statement may take.

    Attributes
    ----------
    rows : int
        Most rows returned.
    seconds : float
        Longest time.
    memory : str
        Most memory, as DuckDB spells it.
    """

    rows: int = ROWS
    seconds: float = SECONDS
    memory: str = MEMORY


@dataclass(frozen=True, slots=True)
class QueryResult:
    """What a statement answered.

    Attributes
    ----------
    columns, types : tuple of str
        Names and DuckDB types of the columns.
    rows : tuple of tuple
        At most as many as asked for.
    truncated : bool
        Whether there were more rows.
    elapsed : float
        Seconds; observed, never compared.
    """

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    truncated: bool
    elapsed: float


def find_snapshot(place: Path) -> Path:
    """Return the snapshot file of a workspace folder (`.assay`), or `place` if it is a file.

    Raises
    ------
    SnapshotMissingError
        If the warehouse was never built.
    """
    path = place / "warehouse" / "snapshot.duckdb" if place.is_dir() else place
    if not path.is_file():
        raise SnapshotMissingError(
            "there is no snapshot of the warehouse",
            where=str(path),
            why="questions are answered from a published snapshot, never from the build file",
            fix="run `assay build`",
        )
    return path.resolve()


@contextmanager
def open_snapshot(place: Path, *, memory: str = MEMORY) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a snapshot so that nothing but reading its tables is possible.

    Parameters
    ----------
    place : Path
        Workspace folder (`.assay`) or snapshot file.
    memory : str
        Memory limit in the spelling of DuckDB, such as `1GB`.
    """
    path = find_snapshot(place)
    with duckdb.connect(
        str(path),
        read_only=True,
        config={
            "memory_limit": memory,
            # One thread, so that sums of floats are the same in every answer.
            "threads": 1,
            "max_temp_directory_size": "0KB",
            "python_enable_replacements": False,
            "enable_external_access": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "lock_configuration": True,
        },
    ) as connection:
        yield connection


def run_query(
    place: Path,
    sql: str,
    parameters: Mapping[str, object] | Sequence[object] = (),
    *,
    rows: int = ROWS,
    seconds: float = SECONDS,
    memory: str = MEMORY,
) -> QueryResult:
    """Answer one SELECT from a snapshot.

    Parameters
    ----------
    place : Path
        Workspace folder (`.assay`) or snapshot file.
    sql : str
        Exactly one SELECT; see `check_statement`.
    parameters : mapping or sequence
        Values of `$name` or `?`.
    rows, seconds, memory : int, float, str
        Limits.

    Raises
    ------
    QueryRefusedError
        If the statement is anything else than one harmless SELECT.
    QueryFailedError
        If it does not bind, or exceeds a limit.
    """
    check_statement(sql)
    with open_snapshot(place, memory=memory) as connection:
        limits = Limits(rows, seconds, memory)
        return answer_statement(connection, sql, parameters, limits)


def answer_statement(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    parameters: Mapping[str, object] | Sequence[object],
    limits: Limits,
) -> QueryResult:
    """Answer a checked statement on an open snapshot, within limits.

    Raises
    ------
    QueryFailedError
        If it does not bind, exceeds a limit, or is interrupted from another thread.
    """
    values = dict(parameters) if hasattr(parameters, "keys") else list(parameters)
    started = time.perf_counter()
    timer = threading.Timer(limits.seconds, connection.interrupt)
    timer.start()
    try:
        cursor = connection.execute(sql, values)
        found = cursor.fetchmany(limits.rows + 1)
        described = cursor.description or []
    except duckdb.Error as error:
        raise _failed(error, limits.seconds, limits.memory) from error
    finally:
        timer.cancel()
    return QueryResult(
        columns=tuple(str(column[0]) for column in described),
        types=tuple(str(column[1]) for column in described),
        rows=tuple(found[: limits.rows]),
        truncated=len(found) > limits.rows,
        elapsed=time.perf_counter() - started,
    )


def check_statement(sql: str) -> None:
    """Raise unless `sql` is exactly one SELECT that reads tables and nothing else.

    Allowed are SELECT, WITH ... SELECT, and their unions. Refused are statements that write,
    several statements, and functions that read files, settings, secrets or other statements.

    Raises
    ------
    QueryRefusedError
        Naming what was found instead.
    """
    if len(sql) > _MAX_LENGTH:
        _refuse(f"a statement of at most {_MAX_LENGTH} characters", f"{len(sql)}")
    try:
        statements = [tree for tree in sqlglot.parse(sql, dialect="duckdb") if tree is not None]
    except (SqlglotError, RecursionError) as error:
        _refuse("one SELECT", f"a text that does not parse: {str(error).splitlines()[0]}")
    if len(statements) != 1:
        _refuse("one statement", f"{len(statements)}")
    tree = statements[0]
    if not isinstance(tree, exp.Select | exp.SetOperation):
        _refuse("SELECT", type(tree).__name__.upper())
    growth = 1
    for node in tree.walk():
        if isinstance(node, exp.Func):
            growth *= _growth_of(node)
        if growth > _MOST_REPEATS:
            _refuse(f"values of at most {_MOST_REPEATS} repeats", "more in all calls together")
        _check_node(node)


def _check_node(node: exp.Expr) -> None:
    if isinstance(node, _FORBIDDEN_NODES):
        _refuse("a statement that only reads", type(node).__name__.upper())
    if isinstance(node, exp.Func) and _is_forbidden(name := _name_of(node)):
        _refuse("functions of values", f"{name}()")
    if isinstance(node, exp.Table):
        _check_table(node)


def _growth_of(function: exp.Func) -> int:
    """Return by how much a call multiplies what it is given; refuse one that does not say."""
    name = _name_of(function)
    arguments = _arguments_of(function)
    if name in _FORMATS:
        first = arguments[0] if arguments else None
        if not isinstance(first, exp.Literal) or re.search(r"[0-9]{5}|[*{]{2}", first.name):
            _refuse("a format that is a plain text", f"{name}() with another")
    if name not in _GROWING or isinstance(function.parent, exp.Table):
        return 1
    counts = arguments if name in {"range", "generate_series"} else arguments[1:]
    plain = [part.this if isinstance(part, exp.Neg) else part for part in counts]
    if not all(isinstance(part, exp.Literal) for part in plain):
        _refuse("a number as count", f"{name}() of an expression; as a table in FROM it may be any")
    return max(
        [1, *(int(float(part.name)) for part in plain if part.args.get("is_string") is False)]
    )


def _arguments_of(function: exp.Func) -> list[exp.Expr]:
    given = (function.args.get(name) for name in function.arg_types)
    listed = [part for one in given for part in (one if isinstance(one, list) else [one])]
    return [part for part in listed if isinstance(part, exp.Expr)]


def _name_of(function: exp.Func) -> str:
    if isinstance(function, exp.Anonymous):
        return str(function.name).lower()
    return function.sql_name().lower()


def _check_table(table: exp.Table) -> None:
    """Refuse what stands in FROM and is neither a table nor a function of its arguments."""
    if isinstance(table.this, exp.Func):
        name = _name_of(table.this)
        if name not in _ROW_FUNCTIONS | _CATALOGUE:
            _refuse("tables, or functions that yield rows", f"{name}()")
    elif not _is_plain(table):
        _refuse("names of tables", repr(table.name))
    elif _is_forbidden(table.name.lower()):
        _refuse("tables of the warehouse", repr(table.name))


def _is_forbidden(name: str) -> bool:
    return name not in _CATALOGUE and (
        name in _FORBIDDEN_FUNCTIONS
        or name.startswith(_FORBIDDEN_PREFIXES)
        or name.endswith(_FORBIDDEN_SUFFIXES)
    )


def _is_plain(table: exp.Table) -> bool:
    """Tell whether a table is a name or a function; DuckDB reads other names as files."""
    name = table.name
    return not name or all(character.isalnum() or character == "_" for character in name)


def _refuse(expected: str, found: str) -> None:
    raise QueryRefusedError(
        f"statement refused: expected {expected}, found {found}",
        where="SQL",
        why="the snapshot is evidence; it is read, one SELECT at a time",
        fix="write one SELECT over raw, staging, health, metrics or meta",
    )


def _failed(error: duckdb.Error, seconds: float, memory: str) -> QueryFailedError:
    message = str(error).partition("\n")[0]
    if isinstance(error, duckdb.InterruptException):
        what, fix = f"no answer within {seconds:g} s", "narrow the statement, or allow more seconds"
    elif isinstance(error, duckdb.OutOfMemoryException):
        what, fix = f"the statement needs more than {memory}", "narrow it, or allow more memory"
    else:
        what, fix = f"the statement cannot be answered: {message}", "correct it"
    return QueryFailedError(
        what, where="SQL", why=str(error), fix=f"{fix}; `assay sql` answers one SELECT"
    )


def format_table(result: QueryResult) -> str:
    """Return the result as text in columns, numbers to the right, for people."""
    cells = [[_shown(value) for value in row] for row in result.rows]
    columns = list(zip(*([list(result.columns), *cells]), strict=True))
    widths = [max(map(len, column)) for column in columns]
    numeric = [
        all(isinstance(row[i], int | float | Decimal | None) for row in result.rows)
        for i in range(len(widths))
    ]

    def line(row: Sequence[str]) -> str:
        aligned = zip(row, widths, numeric, strict=True)
        return "  ".join(c.rjust(w) if right else c.ljust(w) for c, w, right in aligned).rstrip()

    lines = [line(result.columns), "  ".join("-" * width for width in widths)]
    lines += [line(row) for row in cells]
    count = f"{len(result.rows)} row" + ("" if len(result.rows) == 1 else "s")
    more = ", there are more" if result.truncated else ""
    return "\n".join([*lines, f"({count}{more})"])


def format_json(result: QueryResult) -> dict[str, object]:
    """Return the result as a JSON object: columns, types, rows, whether there were more."""
    return {
        "columns": list(result.columns),
        "types": list(result.types),
        "rows": [[_plain(value) for value in row] for row in result.rows],
        "truncated": result.truncated,
    }


def format_csv(result: QueryResult) -> str:
    """Return the result as CSV (RFC 4180, LF), NULL as an empty field."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(result.columns)
    for row in result.rows:
        writer.writerow(["" if value is None else _plain(value) for value in row])
    return stream.getvalue().removesuffix("\n")


def _plain(value: object) -> object:
    """Return a value that JSON has."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, dict):
        return {str(key): _plain(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(member) for member in value]
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds") + ("Z" if value.tzinfo is None else "")
    is_json = value is None or isinstance(value, bool | int | float | str)
    return value if is_json else str(value)


def _shown(value: object) -> str:
    plain = _plain(value)
    if plain is None:
        return "-"
    text = plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 3]}..."

"""`assay sql` on a terminal: statement after statement on one snapshot.

A statement ends with a semicolon and may take several lines. Ctrl-C stops the statement that runs,
Ctrl-D leaves. The guard and the limits are those of a single statement.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TYPE_CHECKING

from flows.errors import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import duckdb

    from warehouse.query import Limits, QueryResult

PROMPT, MORE = "assay> ", "   ...> "
LEAVE = {"\\q", "quit", "exit", "quit;", "exit;"}
HISTORY_LINES = 1000
_WORDS = (
    "select", "from", "where", "group by", "order by", "limit", "with", "inner join", "left join",
    "count(*)", "having", "union all", "distinct", "between", "is not null",
)  # fmt: skip


def run_shell(place: Path, limits: Limits, *, show: Callable[[str], None], history: Path) -> None:
    """Read statements from the terminal until its end, and show each answer.

    Parameters
    ----------
    place : Path
        Workspace folder (`.assay`) or snapshot file.
    limits : Limits
        For every statement.
    show : callable
        Gets answers and errors as text.
    history : Path
        File of the statements of earlier sessions.
    """
    from warehouse.query import open_snapshot  # noqa: PLC0415 - duckdb

    with (
        open_snapshot(place, memory=limits.memory) as connection,
        _line_editing(list_names(connection), history),
    ):
        for statement in read_statements(input):
            show(answer_in_shell(connection, statement, limits))


def read_statements(read: Callable[[str], str]) -> Iterator[str]:
    """Yield statements from lines, until the end of input or a word that leaves.

    An interrupt at the prompt drops the lines that were begun.
    """
    lines: list[str] = []
    while True:
        try:
            line = read(MORE if lines else PROMPT)
        except EOFError:
            return
        except KeyboardInterrupt:
            lines.clear()
            continue
        if not lines and line.strip().lower() in LEAVE:
            return
        lines.append(line)
        if line.rstrip().endswith(";"):
            statement = "\n".join(lines).strip().rstrip(";").strip()
            lines.clear()
            if statement:
                yield statement


def answer_in_shell(connection: duckdb.DuckDBPyConnection, statement: str, limits: Limits) -> str:
    """Return the answer of one statement, or its error, as text."""
    from warehouse.errors import WarehouseError  # noqa: PLC0415 - duckdb
    from warehouse.query import check_statement, format_table  # noqa: PLC0415

    try:
        check_statement(statement)
        return format_table(_interruptible(connection, statement, limits))
    except WarehouseError as error:
        return describe(error)
    except KeyboardInterrupt:
        return "stopped"


def _interruptible(
    connection: duckdb.DuckDBPyConnection, statement: str, limits: Limits
) -> QueryResult:
    """Answer in a thread, so that Ctrl-C reaches us while DuckDB computes.

    Raises
    ------
    KeyboardInterrupt
        After the statement was stopped; the connection can be used again.
    """
    from warehouse.query import answer_statement  # noqa: PLC0415 - duckdb

    with ThreadPoolExecutor(max_workers=1) as pool:
        future = pool.submit(answer_statement, connection, statement, (), limits)
        try:
            return future.result()
        except KeyboardInterrupt:
            # A statement that has not begun yet does not hear the first one.
            while not wait([future], timeout=0.05).done:
                connection.interrupt()
            raise


def list_names(connection: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    """Return what can be completed: tables with their schema, columns, and words of SQL."""
    found = connection.execute(
        "select table_schema || '.' || table_name from information_schema.tables "
        "union select column_name from information_schema.columns order by 1"
    ).fetchall()
    return (*(str(name) for (name,) in found), *_WORDS)


def complete(names: Sequence[str], text: str) -> list[str]:
    """Return the names that begin with `text`, whatever its case."""
    return [name for name in names if name.lower().startswith(text.lower())]


@contextmanager
def _line_editing(names: Sequence[str], history: Path) -> Iterator[None]:
    """Let the terminal edit lines, complete names, and remember statements."""
    import readline  # noqa: PLC0415 - acts on the terminal when imported

    readline.set_completer(lambda text, state: dict(enumerate(complete(names, text))).get(state))
    readline.set_completer_delims(re.sub(r"[._]", "", readline.get_completer_delims()))
    readline.parse_and_bind("tab: complete")
    if history.exists():
        readline.read_history_file(history)
    try:
        yield
    finally:
        readline.set_history_length(HISTORY_LINES)
        history.touch(mode=0o600)
        readline.write_history_file(history)

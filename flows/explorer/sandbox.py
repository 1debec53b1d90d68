"""Statements of a reader, each in a process of its own that ends with it.

DuckDB looks at its limits between vectors of rows; one huge value never comes to that. A process
can be ended whatever it does, and takes no page down with it. One is started ahead of time and
waits, so that a statement does not wait for Python.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from flows.errors import UsageError, as_json
from flows.explorer.errors import RequestError
from flows.settings import child_environment
from warehouse.errors import QueryFailedError, QueryRefusedError
from warehouse.query import (
    Limits,
    check_statement,
    find_snapshot,
    format_csv,
    format_json,
    run_query,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

ROWS: Final = 1000
SECONDS: Final = 10.0
MEMORY: Final = "1GB"
GRACE_SECONDS: Final = 8.0
AT_ONCE: Final = 2
"""Statements that run at a time; more wait, and are refused after `WAIT_SECONDS`."""
WAIT_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True)
class Answered:
    """What a statement answered, as JSON values and as CSV."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    truncated: bool
    csv: str


class Sandbox:
    """Runs statements over one workspace; close it to end the process that waits.

    Parameters
    ----------
    place : Path
        The workspace folder (`.assay`).
    """

    def __init__(self, place: Path) -> None:
        self._place = place
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(AT_ONCE)
        self._spare: subprocess.Popen[bytes] | None = None
        self._closed = False

    def warm(self) -> None:
        """Start the process for the next statement."""
        with self._lock:
            if self._spare is None and not self._closed:
                self._spare = _start()

    def close(self) -> None:
        """End the process that waits."""
        with self._lock:
            spare, self._spare, self._closed = self._spare, None, True
        if spare is not None:
            _end(spare)

    def answer(self, statement: str) -> Answered:
        """Return what a statement answers.

        Raises
        ------
        SnapshotMissingError, QueryRefusedError, QueryFailedError
            As `run_query` raises them.
        RequestError
            If too many statements are running.
        """
        check_statement(statement)
        find_snapshot(self._place)
        if not self._places.acquire(timeout=WAIT_SECONDS):
            raise _busy()
        try:
            return self._run(statement)
        finally:
            self._places.release()
            self.warm()

    def _run(self, statement: str) -> Answered:
        with self._lock:
            process, self._spare = self._spare or _start(), None
        asked = json.dumps({"place": str(self._place), "sql": statement}).encode()
        try:
            out, _ = process.communicate(asked, timeout=SECONDS + GRACE_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise _stuck(f"it did not answer within {SECONDS:g} s, and was ended") from error
        finally:
            _end(process)
        try:
            found = json.loads(out)
        except ValueError as error:
            raise _stuck(f"its process ended with code {process.returncode}") from error
        return _read(found)


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "flows.explorer.sandbox"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).resolve().parents[2],
        env=child_environment({}),
        start_new_session=True,
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and close its pipes."""
    if process.poll() is None:
        process.kill()
    process.communicate()


def _read(found: Mapping[str, object]) -> Answered:
    if "error" in found:
        parts = cast("dict[str, str]", found["error"])
        code = parts.pop("code")
        kind = QueryRefusedError if code == QueryRefusedError.code else QueryFailedError
        raise kind(parts.pop("what"), **parts)
    rows = cast("list[list[object]]", found["rows"])
    return Answered(
        tuple(cast("list[str]", found["columns"])),
        tuple(cast("list[str]", found["types"])),
        tuple(map(tuple, rows)),
        bool(found["truncated"]),
        str(found["csv"]),
    )


def _stuck(why: str) -> QueryFailedError:
    return QueryFailedError(
        "the statement was stopped",
        where="SQL",
        why=why,
        fix="narrow the statement; `assay sql --seconds --memory` allows more",
    )


def _busy() -> RequestError:
    return RequestError(
        f"{AT_ONCE} statements are running",
        where="SQL",
        why="a statement may take a processor and memory for seconds",
        fix="wait and ask again",
    )


def main() -> None:
    """Answer the one statement on standard input, as JSON on standard output."""
    from flows.commands.answers import hard_limits  # noqa: PLC0415 - only here
    from flows.output import Output  # noqa: PLC0415
    from warehouse.errors import WarehouseError  # noqa: PLC0415

    text = sys.stdin.read()
    if not text:
        return  # Nobody asked: the explorer ended.
    asked = json.loads(text)
    limits = Limits(ROWS, SECONDS, MEMORY)
    try:
        with hard_limits(Output("sql", quiet=True), limits):
            result = run_query(
                Path(asked["place"]), asked["sql"], rows=ROWS, seconds=SECONDS, memory=MEMORY
            )
            found = {**format_json(result), "csv": format_csv(result)}
    except (WarehouseError, UsageError) as error:
        found = {"error": as_json(error)}
    sys.stdout.write(json.dumps(found, allow_nan=True))


if __name__ == "__main__":
    main()

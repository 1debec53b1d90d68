"""The local Prefect server of a workspace, and what Prefect is told before it is imported.

States of a server::

    taken   the lock file is held, nothing runs yet
    ready   the server answers, its address stands in the lock file
    gone    the process has ended; the lock is free

The server process inherits the lock, so the lock is free exactly when no server runs, however the
process that started it ended. Two servers never share the database of one workspace.

Known limits: when both the service and its scheduler are ended with SIGKILL, the server stays. The
next service says so, with the process to end.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Self

from flows.errors import FlowError, UsageError
from flows.settings import QUIET_CHILDREN, child_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from flows.settings import Workspace

LOOPBACK = "127.0.0.1"
USUAL_PORT = 4200
READY_SECONDS = 180.0
"""The first start makes the database: ten seconds on an idle machine, more on a busy one."""
STOP_SECONDS = 15.0
PAUSE_SECONDS = 0.2
LOG_LINES = 12
API_URL = "PREFECT_API_URL"


class ServerError(FlowError):
    """The local Prefect server does not run."""

    code = "E0407"
    exit_code = 75


def client_environment(workspace: Workspace) -> dict[str, str]:
    """Return what must be in the environment when `prefect` is imported.

    Everything that Prefect keeps goes below the workspace, nothing is sent to anybody, and the
    console shows warnings only: the log of a run is in the user interface. An address that is set
    already is kept; without one, a server that serves this workspace is used.
    """
    workspace.prefect.mkdir(parents=True, exist_ok=True)
    values = {
        **QUIET_CHILDREN,
        "PREFECT_HOME": str(workspace.prefect),
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "WARNING",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": f"{READY_SECONDS:.0f}",
    }
    url = served_url(workspace)
    if url is not None and API_URL not in child_environment({}):
        values[API_URL] = url
    return values


def served_url(workspace: Workspace) -> str | None:
    """Return the address of the interface of the server that serves this workspace, if one does."""
    path = _lock_path(workspace)
    if not path.exists():
        return None
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _read_holder(path).get("api")
    return None


class LocalServer:
    """A `prefect server` on the loopback interface; a context manager.

    Parameters
    ----------
    workspace : Workspace
        Where it keeps its database and its log.
    port : int
        Where it listens.
    """

    def __init__(self, workspace: Workspace, port: int) -> None:
        self.url = f"http://{LOOPBACK}:{port}"
        self.api = api_url(port)
        self.log = workspace.prefect / "server.log"
        self._workspace = workspace
        self._port = port
        self._lock = -1
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Take the lock of the workspace and start the process.

        Raises
        ------
        ServerError
            If the workspace has a server already.
        """
        self._workspace.prefect.mkdir(parents=True, exist_ok=True)
        self._lock = _take_lock(self._workspace)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "prefect", "server", "start"],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(self._lock,),
                # Ctrl-C is for us: the server is ended last, when no client needs it any more.
                start_new_session=True,
            )
        self._name_holder({"pid": str(self.pid)})
        return self

    @property
    def pid(self) -> int:
        """Id of the process."""
        assert self._process is not None  # noqa: S101 - started by __enter__
        return self._process.pid

    def wait_until_ready(self, stopped: Callable[[], bool] = lambda: False) -> bool:
        """Return True once the server answers, or False as soon as `stopped()` is true.

        Raises
        ------
        ServerError
            If it ends, or does not answer in time.
        """
        deadline = time.monotonic() + READY_SECONDS
        while not stopped():
            self.check()
            if _answers(self._port):
                self._name_holder({"api": self.api, "pid": str(self.pid)})
                return True
            if time.monotonic() > deadline:
                raise self._error(f"the Prefect server did not answer within {READY_SECONDS:g} s")
            time.sleep(PAUSE_SECONDS)
        return False

    def check(self) -> None:
        """Raise `ServerError` if the process has ended."""
        code = None if self._process is None else self._process.poll()
        if code is not None:
            raise self._error(f"the Prefect server ended with exit code {code}")

    def __exit__(self, *_exception: object) -> None:
        """End the process, and free the lock."""
        if self._process is not None:
            end_process(self._process, STOP_SECONDS)
        os.close(self._lock)

    def _environment(self) -> dict[str, str]:
        return child_environment(
            {
                **client_environment(self._workspace),
                API_URL: self.api,
                "PREFECT_SERVER_API_HOST": LOOPBACK,
                "PREFECT_SERVER_API_PORT": str(self._port),
                # Without it the pages ask port 4200, whatever port they came from.
                "PREFECT_SERVER_UI_API_URL": self.api,
            }
        )

    def _name_holder(self, holder: dict[str, str]) -> None:
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, json.dumps(holder).encode(), 0)

    def _error(self, what: str) -> ServerError:
        text = self.log.read_text(encoding="utf-8", errors="replace")
        lines = [line.rstrip() for line in text.splitlines() if line.strip()]
        return ServerError(
            what,
            where=str(self.log),
            why="\n".join(["its last words:", *lines[-LOG_LINES:]]),
            fix="solve what the log names and serve again; `assay doctor` checks the versions",
        )


def api_url(port: int) -> str:
    """Return the address that clients of a server on this machine use."""
    return f"http://{LOOPBACK}:{port}/api"


def choose_port(wanted: int | None) -> int:
    """Return `wanted`, or the usual port, or one that the system gives where that is taken.

    Raises
    ------
    UsageError
        If `wanted` is taken.
    """
    for port in (USUAL_PORT, 0) if wanted is None else (wanted,):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                listener.bind((LOOPBACK, port))
                return int(listener.getsockname()[1])
    raise UsageError(
        f"port {wanted} is taken",
        where=f"{LOOPBACK}:{wanted}",
        why="another process listens there",
        fix="name another --port, or leave it out to take a free one",
    )


def _lock_path(workspace: Workspace) -> Path:
    return workspace.prefect / "server.lock"


def _take_lock(workspace: Workspace) -> int:
    path = _lock_path(workspace)
    lock = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        holder = _read_holder(path)
        raise ServerError(
            f"the workspace is served already, by process {holder.get('pid', 'unknown')}",
            where=holder.get("api", str(path)).removesuffix("/api"),
            why="one server and one schedule for each workspace",
            fix=f"use that one, or end it with `kill {holder.get('pid', 'PID')}` and serve again",
        ) from None
    return lock


def _read_holder(path: Path) -> dict[str, str]:
    """Return what the holder wrote about itself; empty while it is writing."""
    try:
        holder = json.loads(path.read_bytes())
    except ValueError:
        return {}
    return {str(key): str(value) for key, value in holder.items()}


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5.0)
    try:
        connection.request("GET", "/api/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def end_process(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Ask a process to end, wait for it, and end at once whatever is left of its group."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C or SIGTERM sets; the second signal interrupts at once."""
    stop = threading.Event()

    def on_signal(_number: int, _frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    both = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, on_signal) for number in both}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

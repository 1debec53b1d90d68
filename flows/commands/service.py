"""`flow serve`: the local Prefect server, one schedule, and what its runs leave in the ledger.

The order of the start is also the order of what is checked: the workspace and the profile before
any process, the server before the schedule. It ends the other way round, so that a run which is
going on can still report to the server.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Self, cast

from flows.commands.anchors import beat_once
from flows.commands.runs import resolve_profile
from flows.errors import UsageError
from flows.local_server import (
    API_URL,
    LocalServer,
    ServerError,
    api_url,
    choose_port,
    client_environment,
    end_process,
    stop_on_signals,
)
from flows.settings import child_environment, now, set_environment
from ledger import LockedError, read_records

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from flows.manifest import Resolved
    from flows.output import Output
    from flows.settings import Settings, Workspace
    from ledger import Record
    from pipeline.values import Payload

USUAL_CRON = "0 22 * * 1-5"
"""Weekdays at 22:00 UTC: an hour or two after the close in New York."""

LOOK_SECONDS = 1.0
STOP_SECONDS = 60.0
"""Longest wait for the scheduler: it gives the run that is going on 30 s to close."""
FAILED_SECONDS = 10.0
"""The same when the server is gone: long enough to close the records."""
SCHEDULED_WITHIN_SECONDS = 120.0
OVERDUE = timedelta(seconds=30)
"""A run that failed before it was recorded is noticed by the time that has passed."""


@dataclass(frozen=True, slots=True)
class Service:
    """What is served, checked.

    Attributes
    ----------
    workspace : Workspace
        Where its runs are recorded.
    resolved : Resolved
        The profile as it is now; each run resolves it again.
    stage : str
        Kind of run.
    cron, every_seconds : str or None, int or None
        When: exactly one of the two is given.
    port : int
        Port of the server.
    records : int
        How many records the ledger has.
    parameters : dict of str to str or None
        Parameters of the flow.
    """

    workspace: Workspace
    resolved: Resolved
    stage: str
    cron: str | None
    every_seconds: int | None
    port: int
    records: int
    parameters: dict[str, str | None]

    @property
    def schedule(self) -> str:
        """The schedule in words."""
        if self.cron is not None:
            usual = " (weekdays at 22:00)" if self.cron == USUAL_CRON else ""
            return f"cron {self.cron}, UTC{usual}"
        return f"every {self.every_seconds} s"


def serve(
    settings: Settings,
    output: Output,
    *,
    manifest: str | None,
    profile: str | None,
    stage: str,
    cron: str | None,
    every_seconds: int | None,
    port: int | None,
    heartbeat: float | None = None,
) -> int:
    """Serve one scheduled flow until Ctrl-C or SIGTERM; return the exit code.

    With `heartbeat` the service signs a checkpoint every so many seconds, runs or no runs.

    Raises
    ------
    WorkspaceError, ManifestError, UsageError, LedgerError
        If what is asked for cannot run; no process was started.
    ServerError
        If the server does not start, or ends by itself.
    """
    service = check_service(
        settings,
        manifest=manifest,
        profile=profile,
        stage=stage,
        cron=cron,
        every_seconds=every_seconds,
        port=port,
    )
    with stop_on_signals() as stop, LocalServer(service.workspace, service.port) as server:
        output.note("starting the Prefect server")
        if server.wait_until_ready(stop.is_set):
            pulse = Pulse(service.workspace, heartbeat, settings.actor, output)
            _serve_flow(service, server, stop, output, pulse)
    output.note("stopped; scheduler and server have ended")
    return 0


def check_service(
    settings: Settings,
    *,
    manifest: str | None,
    profile: str | None,
    stage: str,
    cron: str | None,
    every_seconds: int | None,
    port: int | None,
) -> Service:
    """Return what is to be served, after every check that needs no server.

    Raises
    ------
    WorkspaceError, ManifestError, UsageError, LedgerError
        If what is asked for cannot run.
    """
    from flows.session import open_ledger  # noqa: PLC0415 - imports replay

    if cron is not None and every_seconds is not None:
        raise _two_schedules()
    if every_seconds is not None and every_seconds < 1:
        raise _no_interval(every_seconds)
    workspace = settings.find_workspace()
    with open_ledger(workspace)[0] as log:
        records = log.head().count
    resolved = resolve_profile(settings, manifest, profile)
    service = Service(
        workspace=workspace,
        resolved=resolved,
        stage=stage,
        cron=USUAL_CRON if cron is None and every_seconds is None else cron,
        every_seconds=every_seconds,
        port=choose_port(port),
        records=records,
        parameters={
            "workspace": str(workspace.root.parent),
            "profile": resolved.name,
            "manifest": None if manifest is None else str((settings.cwd / manifest).resolve()),
        },
    )
    _check_flow(service)
    return service


def _check_flow(service: Service) -> None:
    """Refuse what Prefect would not schedule; it is imported here, so its environment is set."""
    environment = {
        **client_environment(service.workspace),
        API_URL: api_url(service.port),
        # The fresh process of a run must not import packages from the current folder.
        "PYTHONSAFEPATH": "1",
    }
    set_environment(environment)
    from flows.scheduled import find_flow  # noqa: PLC0415 - Prefect reads the environment now
    from flows.scheduler import read_schedule  # noqa: PLC0415

    find_flow(service.stage)
    read_schedule(service.cron, service.every_seconds)


def _two_schedules() -> UsageError:
    return UsageError(
        "two schedules were given",
        where="--cron and --every-seconds",
        why="one deployment runs on one schedule",
        fix="leave one of them out",
    )


def _no_interval(seconds: int) -> UsageError:
    return UsageError(
        f"an interval of {seconds} s",
        where="--every-seconds",
        why="runs are at least one second apart",
        fix="give a whole number of seconds from 1 on, or a --cron line",
    )


def _serve_flow(
    service: Service, server: LocalServer, stop: threading.Event, output: Output, pulse: Pulse
) -> None:
    from flows.scheduler import clear_schedules, next_run  # noqa: PLC0415 - imports Prefect

    clear_schedules()
    name = deployment_name(service)
    news = News(service.workspace.ledger, service.records)
    watch = Watch(lambda: next_run(service.stage, name), output)
    with SchedulerProcess(service, name, server.pid) as scheduler:
        output.note(_header(service, server))
        while not stop.wait(LOOK_SECONDS):
            server.check()
            scheduler.check()
            records = tell(news, output)
            watch.look(again=any(record.status != "open" for record in records))
            pulse.look()
        output.note("stopping")
    tell(news, output)


class SchedulerProcess:
    """The process that starts the runs, with its runs; a context manager.

    Parameters
    ----------
    service : Service
        What it serves.
    name : str
        Name of the deployment.
    server : int
        Process id of the server.
    """

    def __init__(self, service: Service, name: str, server: int) -> None:
        self._asked = {
            "kind": service.stage,
            "name": name,
            "cron": service.cron,
            "every_seconds": service.every_seconds,
            "parameters": service.parameters,
            "server": server,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start the process, in a group of its own: Ctrl-C is for us."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "flows.scheduler"],
            env=child_environment({}),
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stdin is not None  # noqa: S101 - asked for
        # One that is gone already is found by `check`.
        with suppress(BrokenPipeError), self._process.stdin as stdin:
            stdin.write(json.dumps(self._asked).encode())
        return self

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return self._process is not None and self._process.poll() is not None

    def check(self) -> None:
        """Raise `ServerError` if the process has ended."""
        if self._process is not None and self.ended:
            raise ServerError(
                f"the scheduler ended with exit code {self._process.returncode}",
                where="assay flow serve",
                why="its message, if it had one, stands above; nothing would run any more",
                fix="solve what it names and serve again; what was recorded stays",
            )

    def __exit__(self, failure: type[BaseException] | None, *_rest: object) -> None:
        """End the process and its runs; after a failure without waiting for the server."""
        assert self._process is not None  # noqa: S101 - started by __enter__
        if failure is not None:
            # Its runs are asked too: they close their records, and cannot report to anybody.
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
        end_process(self._process, STOP_SECONDS if failure is None else FAILED_SECONDS)


def deployment_name(service: Service) -> str:
    """Return the name of the profile without the characters that Prefect refuses in a name."""
    return "".join(
        "-" if character in "/%&<>" else character for character in service.resolved.name
    )


def _header(service: Service, server: LocalServer) -> str:
    resolved = service.resolved
    return (
        f"user interface  {server.url}\n"
        f"flow            {service.stage} of profile {resolved.name}, manifest {resolved.sha256}\n"
        f"schedule        {service.schedule}\n"
        f"ledger          {service.workspace.ledger}\n"
        f"server log      {server.log}\n"
        "Ctrl-C stops scheduler and server; what was recorded stays"
    )


@dataclass(slots=True)
class Pulse:
    """Keeps the heartbeat of the ledger while a flow is served.

    Attributes
    ----------
    workspace : Workspace
        Whose ledger.
    every : float or None
        Seconds between two beats; None for no heartbeat.
    actor : str
        Who serves.
    output : Output
        Where a missed beat is said; the ledger shows it as a gap.
    """

    workspace: Workspace
    every: float | None
    actor: str
    output: Output
    _due: float = 0.0

    def look(self) -> None:
        """Beat if that is due."""
        if self.every is None or time.monotonic() < self._due:
            return
        self._due = time.monotonic() + self.every
        try:
            beat_once(self.workspace, self.every, self.actor)
        except LockedError as error:
            self.output.note(f"warning: no heartbeat this time: {error.what}")


@dataclass(slots=True)
class Watch:
    """Says when the next run is due, whenever that changes; warns when nothing is scheduled.

    Attributes
    ----------
    next_run : callable
        Returns when it is due.
    output : Output
        Where it is said.
    """

    next_run: Callable[[], datetime | None]
    output: Output
    _known: datetime | None = None
    _looks: int = 0

    def look(self, *, again: bool) -> None:
        """Ask while nothing is known, `again` after a run has ended, and when one is overdue."""
        if self._known is not None and not again and now() < self._known + OVERDUE:
            return
        found = self.next_run()
        self._looks += 1
        if found is not None and found != self._known:
            self.output.note(f"next run        {found:%Y-%m-%d %H:%M:%S} UTC")
        elif found is None and self._looks * LOOK_SECONDS == SCHEDULED_WITHIN_SECONDS:
            self.output.note(
                "warning: the server has scheduled nothing yet; `assay doctor` checks the versions "
                "with which schedules are known to fire"
            )
        self._known = found


@dataclass(slots=True)
class News:
    """The openings and closings of runs that were added to a ledger since the last look.

    Attributes
    ----------
    ledger : Path
        The folder of the ledger.
    start : int
        First record that is news.
    """

    ledger: Path
    start: int
    _size: int = -1

    def records(self) -> list[Record]:
        """Return what was added; reads nothing while the ledger stays the same."""
        size = (self.ledger / "audit.jsonl").stat().st_size
        if size == self._size:
            return []
        self._size = size
        found = []
        for record in read_records(self.ledger, self.start):
            self.start = record.seq + 1
            if record.type == "run":
                found.append(record)
        return found


def tell(news: News, output: Output) -> list[Record]:
    """Print the news, one line each, and return them."""
    records = news.records()
    for record in records:
        output.note(run_line(record))
    return records


def run_line(record: Record) -> str:
    """Return one line about the opening or closing record of a run."""
    data = cast("Payload", record.data)
    start = f"{record.ts[11:19]}  {record.run_id}"
    if record.status == "open":
        return f"{start}  {data['kind']} started"
    error = cast("Payload | None", data["error"])
    counts = f"{data['intents']} decisions, {data['outcomes']} outcomes"
    why = "" if error is None else f": {error['what']}"
    return f"{start}  {record.status}, {counts}{why}"

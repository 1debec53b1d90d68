"""`assay flow serve` runs one flow on a schedule, and leaves no process behind."""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flows.commands import service
from flows.commands.service import USUAL_CRON, News, Watch, check_service, run_line
from flows.errors import ManifestError, UsageError, WorkspaceError
from flows.local_server import (
    LOOPBACK,
    LocalServer,
    ServerError,
    choose_port,
    client_environment,
    served_url,
    stop_on_signals,
)
from flows.output import Output
from flows.settings import Workspace, now, read_settings
from ledger import read_records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from flows.commands.service import Service
    from flows.errors import FlowError
    from tests.conftest import Workplace

    MakePlace = Callable[[str], Workplace]

PATIENCE_SECONDS = 240.0


def ask(folder: Path, **changed: Any) -> Service:
    """Check a service as the command does, with `changed` arguments."""
    arguments = {
        "manifest": "few.json",
        "profile": None,
        "stage": "rebalance",
        "cron": None,
        "every_seconds": None,
        "port": None,
    }
    return check_service(read_settings(folder), **{**arguments, **changed})


@contextmanager
def taken_port() -> Iterator[int]:
    """Yield a port that somebody listens on."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen()
        yield listener.getsockname()[1]


def until(condition: Callable[[], object], process: subprocess.Popen[str] | None = None) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        assert process is None or process.poll() is None
        time.sleep(0.2)


@pytest.fixture
def told(prefect_home: None, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:  # noqa: ARG001
    """Return what the service puts into the environment, which stays as it is here."""
    values: dict[str, str] = {}
    monkeypatch.setattr(service, "set_environment", values.update)
    return values


# What is checked before any process is started


def test_nothing_is_served_without_a_workspace(tmp_path: Path) -> None:
    """The first thing that is missing is named, with what to type."""
    with pytest.raises(WorkspaceError, match="no workspace") as caught:
        ask(tmp_path)
    assert "assay init" in caught.value.fix


def test_nothing_is_served_without_a_ledger(tmp_path: Path) -> None:
    """A run without a record is not allowed, so it is not scheduled either."""
    (tmp_path / ".assay").mkdir()
    with pytest.raises(WorkspaceError, match="no ledger"):
        ask(tmp_path)


@pytest.mark.parametrize(
    ("changed", "kind", "expected"),
    [
        pytest.param({"profile": "fex"}, ManifestError, "did you mean 'few'", id="profile"),
        pytest.param({"manifest": "none.json"}, ManifestError, "no manifest", id="manifest"),
        pytest.param({"every_seconds": 0}, UsageError, "an interval of 0 s", id="interval"),
        pytest.param(
            {"cron": USUAL_CRON, "every_seconds": 60}, UsageError, "two schedules", id="schedules"
        ),
    ],
)
def test_what_cannot_run_is_refused(
    make_place: MakePlace, changed: Mapping[str, Any], kind: type[FlowError], expected: str
) -> None:
    """Four parts, exit code 2, and the workspace as it was."""
    place = make_place("place")
    before = place.lines
    with pytest.raises(kind, match=expected) as caught:
        ask(place.folder, **changed)
    assert caught.value.exit_code == 2
    assert all((caught.value.where, caught.value.why, caught.value.fix))
    assert place.lines == before


def test_wanted_port_that_is_taken_is_refused(make_place: MakePlace) -> None:
    """The port was named, so no other one is taken in its place."""
    with taken_port() as port, pytest.raises(UsageError, match=f"port {port} is taken"):
        ask(make_place("place").folder, port=port)


def test_port_is_a_free_one_when_the_usual_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another Prefect on this machine is no obstacle."""
    with taken_port() as port:
        monkeypatch.setattr("flows.local_server.USUAL_PORT", port)
        found = choose_port(None)
    assert found not in {0, port}


@pytest.mark.usefixtures("told")
def test_stage_and_cron_line_are_checked_too(make_place: MakePlace) -> None:
    """What Prefect would refuse is refused before its server is started."""
    folder = make_place("place").folder
    with pytest.raises(UsageError, match="unknown stage 'dance'"):
        ask(folder, stage="dance")
    with pytest.raises(UsageError, match="not a cron line: 'at noon'") as caught:
        ask(folder, cron="at noon")
    assert "UTC" in caught.value.fix


def test_schedule_is_weekday_evenings_unless_asked_otherwise(
    make_place: MakePlace, told: dict[str, str]
) -> None:
    """One default, shown in words; paths are absolute, since runs start elsewhere."""
    folder = make_place("place").folder
    found = ask(folder)
    assert found.schedule == "cron 0 22 * * 1-5, UTC (weekdays at 22:00)"
    assert ask(folder, every_seconds=5).schedule == "every 5 s"
    assert ask(folder, cron="5 4 * * *").schedule == "cron 5 4 * * *, UTC"
    assert found.parameters == {
        "workspace": str(folder),
        "profile": "few",
        "manifest": str(folder / "few.json"),
    }
    ask(folder, port=(port := choose_port(0)))
    assert told["PREFECT_API_URL"] == f"http://127.0.0.1:{port}/api"
    assert told["PYTHONSAFEPATH"] == "1"


@pytest.mark.usefixtures("prefect_home")
def test_deployment_runs_one_at_a_time_from_the_installed_module() -> None:
    """A tick that meets a run is cancelled; no script path, so no folder on the search path."""
    from flows.scheduler import make_deployment, read_schedule  # noqa: PLC0415

    schedule = read_schedule(USUAL_CRON, None)
    found = make_deployment("backtest", "few", schedule, {"workspace": "here"})
    assert (schedule.cron, schedule.timezone) == (USUAL_CRON, "UTC")
    assert read_schedule(None, 90).interval == timedelta(seconds=90)
    assert found.entrypoint == "flows.scheduled.backtest"
    assert found.concurrency_limit == 1
    assert found.concurrency_options is not None
    assert found.concurrency_options.collision_strategy == "CANCEL_NEW"
    assert found.paused is False


# The server of a workspace


def test_clients_are_told_to_stay_in_the_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Home below the workspace, no telemetry, and no server named unless one serves."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    values = client_environment(Workspace(tmp_path))
    assert values["PREFECT_HOME"] == str(tmp_path / "prefect")
    assert values["DO_NOT_TRACK"] == "1"
    assert values["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert "PREFECT_API_URL" not in values


def test_clients_use_the_server_that_serves_the_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two servers on one database would lock each other out; an address given wins."""
    workspace = Workspace(tmp_path)
    workspace.prefect.mkdir()
    path = workspace.prefect / "server.lock"
    path.write_text(json.dumps({"api": "http://127.0.0.1:4200/api", "pid": "1"}), encoding="utf-8")
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    assert served_url(workspace) is None
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert client_environment(workspace)["PREFECT_API_URL"] == "http://127.0.0.1:4200/api"
        monkeypatch.setenv("PREFECT_API_URL", "http://elsewhere/api")
        assert "PREFECT_API_URL" not in client_environment(workspace)


def test_second_server_is_refused_with_the_process_of_the_first(tmp_path: Path) -> None:
    """One server and one schedule for each workspace; exit 75: try again later."""
    workspace = Workspace(tmp_path)
    workspace.prefect.mkdir()
    path = workspace.prefect / "server.lock"
    path.write_text(
        json.dumps({"api": "http://127.0.0.1:4200/api", "pid": "314"}), encoding="utf-8"
    )
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ServerError, match="by process 314") as caught:
            LocalServer(workspace, 4200).__enter__()
    error = caught.value
    assert (error.exit_code, error.where) == (75, "http://127.0.0.1:4200")
    assert "kill 314" in error.fix


@pytest.mark.slow
def test_server_that_cannot_start_is_quoted(tmp_path: Path) -> None:
    """The last words of its log are part of the error, and the lock is free again."""
    workspace = Workspace(tmp_path)
    with (
        taken_port() as port,
        pytest.raises(ServerError, match="ended with exit code 1") as caught,
        LocalServer(workspace, port) as server,
    ):
        server.wait_until_ready()
    assert "already in use" in caught.value.why
    assert served_url(workspace) is None


# What is said while it serves


def test_news_are_the_openings_and_closings_of_runs(walked: Workplace) -> None:
    """One line each; nothing is read again while the ledger stays the same."""
    ledger = walked.root / "ledger"
    news = News(ledger, 0)
    opened, closed = (run_line(record) for record in news.records())
    run_id = walked.records[-1]["run_id"]
    assert opened.endswith(f"{run_id}  backtest started")
    intents = sum(record["type"] == "intent" for record in walked.records)
    assert closed.endswith(f"{run_id}  ok, {intents} decisions, {intents} outcomes")
    assert news.records() == []


def test_news_name_what_stopped_a_run(make_place: MakePlace) -> None:
    """The line of a failed run holds the first part of its error."""
    place = make_place("place")
    start = len(place.lines)
    called = place.assay("run", "rebalance", "-m", "few.json", "--as-of", "2021-02-01")
    assert called.code == 2
    lines = [run_line(record) for record in News(place.root / "ledger", start).records()]
    assert ": 20 market days up to 2021-02-01" in lines[-1]


def test_next_run_is_said_when_it_changes(capsys: pytest.CaptureFixture[str]) -> None:
    """Once at the start, after each run, and when a run is overdue; never twice the same."""
    first = now() + timedelta(hours=1)
    answers: list[datetime | None] = [None, first, first, now() - timedelta(hours=1), first]
    watch = Watch(lambda: answers.pop(0), Output("flow"))
    for again in (False, False, True, False, True, False):
        watch.look(again=again)
    said = capsys.readouterr().err.splitlines()
    assert len(answers) == 0
    assert said[0] == f"next run        {first:%Y-%m-%d %H:%M:%S} UTC"
    assert len(said) == 3


def test_schedule_that_never_fires_is_warned_about(capsys: pytest.CaptureFixture[str]) -> None:
    """A server that schedules nothing looks healthy otherwise."""
    watch = Watch(lambda: None, Output("flow"))
    for _ in range(int(service.SCHEDULED_WITHIN_SECONDS) + 30):
        watch.look(again=False)
    (said,) = capsys.readouterr().err.splitlines()
    assert "assay doctor" in said


def test_first_signal_stops_and_the_second_interrupts() -> None:
    """Stopping may take a while; whoever insists is heard. Afterwards all is as before."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with stop_on_signals() as stop:
        assert not stop.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(5)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_scheduler_that_ends_by_itself_ends_the_service(
    make_place: MakePlace, told: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that starts nothing any more must not look alive."""
    asked = ask(make_place("place").folder)
    assert told
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with service.SchedulerProcess(asked, "few", server=0) as scheduler:
        until(lambda: scheduler.ended)
        with pytest.raises(ServerError, match="the scheduler ended with exit code 1"):
            scheduler.check()


# The service itself


@dataclass(frozen=True)
class Served:
    """A service that was started in a process of its own."""

    place: Workplace
    process: subprocess.Popen[str]
    log: Path

    @property
    def said(self) -> str:
        """What it has printed."""
        return self.log.read_text(encoding="utf-8")

    @property
    def closed(self) -> list[str]:
        """The status of every rebalance run that has ended."""
        records = list(read_records(self.place.root / "ledger"))
        mine = {r.run_id for r in records if r.data.get("kind") == "rebalance"}
        return [r.status for r in records if r.id.endswith("/close") and r.run_id in mine]

    def leftovers(self) -> list[int]:
        """Return the processes whose environment names the workspace."""
        name = os.fsencode(f"PREFECT_HOME={self.place.root / 'prefect'}\0")
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if name in (folder / "environ").read_bytes():
                    found.append(int(folder.name))
            except OSError:
                continue
        return found


@contextmanager
def serving(place: Workplace, port: int) -> Iterator[Served]:
    """Serve a rebalance every five seconds; end what is left of it, by process id."""
    log = place.folder / "serve.log"
    command = [sys.executable, "-c", "from flows.cli import main; main()", "-C", str(place.folder)]
    options = ["-m", "few.json", "--every-seconds", "5", "--port", str(port)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    with log.open("w") as stream:
        process = subprocess.Popen(
            [*command, "flow", "serve", *options],
            env=environment,
            stdout=stream,
            stderr=stream,
            text=True,
        )
    served = Served(place, process, log)
    try:
        yield served
    finally:
        for pid in (process.pid, *served.leftovers()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        process.wait()


def get(port: int, path: str) -> tuple[int, str]:
    """Return status and body of a page of the server."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=30)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


@pytest.mark.slow
def test_scheduled_runs_are_recorded_and_everything_ends(make_place: MakePlace) -> None:
    """Two runs at least in the ledger; after SIGTERM exit 0, an intact chain, and no process."""
    place, port = make_place("place"), choose_port(0)
    with serving(place, port) as served:
        until(lambda: served.closed.count("ok") >= 2, served.process)
        assert get(port, "/")[0] == 200
        assert json.loads(get(port, "/ui-settings")[1])["api_url"] == f"http://127.0.0.1:{port}/api"
        with pytest.raises(ServerError, match="the workspace is served already"):
            LocalServer(Workspace(place.root), port).__enter__()
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(PATIENCE_SECONDS) == 0
        assert served.leftovers() == []
        said = served.said
    assert f"user interface  http://127.0.0.1:{port}" in said
    assert "schedule        every 5 s" in said
    assert "next run        2" in said
    assert said.count("ok, 6 decisions, 6 outcomes") >= 2
    assert said.endswith("stopped; scheduler and server have ended\n")
    assert "Traceback" not in said
    assert place.assay("verify", "--blobs").code == 0


@pytest.mark.slow
def test_killed_service_takes_its_processes_along_and_can_be_served_again(
    make_place: MakePlace,
) -> None:
    """After SIGKILL scheduler, run and server end by themselves; the next service runs again."""
    place, port = make_place("place"), choose_port(0)
    with serving(place, port) as served:
        until(lambda: "rebalance started" in served.said, served.process)
        served.process.kill()
        served.process.wait()
        until(lambda: served.leftovers() == [])
    ended = len(served.closed)
    with serving(place, port) as served:
        until(lambda: len(served.closed) >= ended + 1, served.process)
        served.process.send_signal(signal.SIGINT)
        assert served.process.wait(PATIENCE_SECONDS) == 0
        assert served.leftovers() == []
    assert place.assay("verify").code == 0

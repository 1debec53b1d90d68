"""The process that starts scheduled flows: `python -m flows.scheduler`.

Prefect's server says when a run is due; the runner here asks it and starts each run as a fresh
process of its group. One run at a time: a tick that meets a run is cancelled, not queued, so a slow
run leaves no queue of late ones behind. Runs that were due while nobody served are cancelled too:
serving again starts nothing before its time.

It is a process of its own, and the first of its group, so that `assay flow serve` can end it with
all its runs, whatever state Prefect is in. When that one is gone, it ends itself and the server.

Import this module only after the environment was set (`flows.local_server`): Prefect reads it once.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

import httpx
from prefect import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import (
    ConcurrencyLimitConfig,
    ConcurrencyLimitStrategy,
    StateType,
)
from prefect.client.schemas.sorting import DeploymentSort, FlowRunSort
from prefect.deployments.runner import RunnerDeployment
from prefect.runner import Runner
from prefect.schedules import Cron, Interval
from prefect.states import Cancelled
from prefect.types.entrypoint import EntrypointType

from flows.errors import UsageError
from flows.local_server import ServerError, stop_on_signals
from flows.scheduled import find_flow

if TYPE_CHECKING:
    from concurrent.futures import Future
    from datetime import datetime

    from prefect.client.schemas.objects import State
    from prefect.schedules import Schedule

POLL_SECONDS = 2.0
"""How often the runner asks the server for runs that are due."""

LOOK_SECONDS = 1.0

MOST = 200
"""Deployments, and overdue runs, that the server lists at once."""

SCHEDULED = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED]))


def read_schedule(cron: str | None, every_seconds: int | None) -> Schedule:
    """Return when to run: a cron line in UTC, or every so many seconds from now on.

    Raises
    ------
    UsageError
        If the cron line is not one.
    """
    if cron is None:
        assert every_seconds is not None  # noqa: S101 - one of the two is given
        return Interval(every_seconds)
    try:
        return Cron(cron, timezone="UTC")
    except ValueError as error:
        raise UsageError(
            f"not a cron line: {cron!r}",
            where="--cron",
            why=str(error),
            fix="give minute, hour, day, month, weekday in UTC, such as --cron '0 22 * * 1-5'",
        ) from error


def make_deployment(
    kind: str, name: str, schedule: Schedule, parameters: dict[str, str | None]
) -> RunnerDeployment:
    """Return the deployment of a flow: one run at a time, a tick that meets a run is cancelled."""
    return RunnerDeployment.from_flow(
        find_flow(kind),
        name,
        schedule=schedule,
        parameters=parameters,
        paused=False,
        concurrency_limit=ConcurrencyLimitConfig(
            limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW
        ),
        # Loading by path would put the folder of this file before every other on the search path.
        entrypoint_type=EntrypointType.MODULE_PATH,
    )


class Scheduler:
    """Prefect's runner in a thread of its own, where it leaves the signals of the process alone.

    A context manager: entering registers the deployment, leaving pauses it and ends the run that is
    going on.

    Parameters
    ----------
    deployment : RunnerDeployment
        What to run, and when.
    """

    def __init__(self, deployment: RunnerDeployment) -> None:
        self._deployment = deployment
        self._runner = Runner(name="assay", query_seconds=POLL_SECONDS, prefetch_seconds=0)
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="scheduler")
        self._loop = asyncio.new_event_loop()
        self._serving: Future[None] | None = None

    def __enter__(self) -> Self:
        """Register the deployment and start to look for runs that are due."""
        self._loop.run_until_complete(_register(self._runner, self._deployment))
        self._serving = self._threads.submit(self._loop.run_until_complete, self._runner.start())
        return self

    def __exit__(self, *_exception: object) -> None:
        """Stop the runner; wait until the run that is going on has ended."""
        assert self._serving is not None  # noqa: S101 - set by __enter__
        if not self._serving.done():
            asyncio.run_coroutine_threadsafe(_stop(self._runner), self._loop).result()
            self._serving.result()
        self._threads.shutdown()
        self._loop.close()

    def check(self) -> None:
        """Raise what ended the runner, if anything did."""
        if self._serving is not None and self._serving.done():
            self._serving.result()
            raise ServerError(
                "the runner of scheduled flows ended by itself",
                where="assay flow serve",
                why="nothing would run any more",
                fix="serve again; what was recorded stays",
            )


def clear_schedules() -> None:
    """Pause what an earlier service has left, cancel what is overdue, and free the slots.

    A service that was killed leaves its schedule on, and its one slot taken: then no run would ever
    start again.
    """
    with get_client(sync_client=True) as client:
        for found in client.read_deployments(limit=MOST, sort=DeploymentSort.NAME_ASC):
            client.pause_deployment(found.id)
            if found.global_concurrency_limit is not None:
                client.update_global_concurrency_limit(
                    found.global_concurrency_limit.name,
                    GlobalConcurrencyLimitUpdate(active_slots=0),
                )
        overdue = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(state=SCHEDULED),
            sort=FlowRunSort.EXPECTED_START_TIME_ASC,
            limit=MOST,
        )
        for run in overdue:
            missed: State[None] = Cancelled(message="nobody served when it was due")
            client.set_flow_run_state(run.id, missed, force=True)


async def _register(runner: Runner, deployment: RunnerDeployment) -> None:
    """Register a deployment and have its runs scheduled at once.

    Left to itself, the server looks for new deployments every five seconds, through a window of
    six; when it is busy it misses some, and schedules them a minute later.
    """
    found = await runner.aadd_deployment(deployment)
    async with get_client() as client:
        await client.request(
            "POST", "/deployments/{id}/schedule", path_params={"id": found}, json={}
        )


async def _stop(runner: Runner) -> None:
    while not runner.started:  # noqa: ASYNC110 - it sets a flag, not an event
        await asyncio.sleep(0.05)
    await runner.astop()


def next_run(kind: str, name: str) -> datetime | None:
    """Return when the next run of a deployment is due, or None if nothing is scheduled.

    None also if nobody answers: a server that has ended is found by `LocalServer.check`.
    """
    try:
        with get_client(sync_client=True) as client:
            runs = client.read_flow_runs(
                flow_filter=FlowFilter(name=FlowFilterName(any_=[kind])),
                deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[name])),
                flow_run_filter=FlowRunFilter(state=SCHEDULED),
                sort=FlowRunSort.EXPECTED_START_TIME_ASC,
                limit=1,
            )
    except httpx.TransportError:
        return None
    return runs[0].expected_start_time if runs else None


def main() -> None:
    """Serve the deployment described by the JSON object on standard input, until SIGTERM.

    Members: `kind`, `name`, `cron`, `every_seconds`, `parameters`, and `server`, the process to end
    when the one that started us is gone.
    """
    asked = json.load(sys.stdin)
    schedule = read_schedule(asked["cron"], asked["every_seconds"])
    deployment = make_deployment(asked["kind"], asked["name"], schedule, asked["parameters"])
    parent = os.getppid()
    with stop_on_signals() as stop, Scheduler(deployment) as scheduler:
        while not stop.wait(LOOK_SECONDS) and os.getppid() == parent:
            scheduler.check()
    if os.getppid() != parent:
        os.kill(asked["server"], signal.SIGTERM)


if __name__ == "__main__":
    main()

"""When scheduled flows run, and the process that starts them.

Prefect's server says when a run is due; the runner here asks it and starts each run as a fresh
process. One run at a time: a tick that meets a run is cancelled, not queued, so a slow run leaves
no queue of late ones behind.

Import this module only after the environment was set (`flows.local_server`): Prefect reads it once.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

import httpx
from prefect import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
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
from prefect.types.entrypoint import EntrypointType

from flows.errors import UsageError
from flows.local_server import ServerError
from flows.scheduled import find_flow

if TYPE_CHECKING:
    from concurrent.futures import Future
    from datetime import datetime
    from uuid import UUID

    from prefect.schedules import Schedule

POLL_SECONDS = 2.0
"""How often the runner asks the server for runs that are due."""

MOST = 200
"""Deployments that the server lists at once."""

STOP_SECONDS = 90.0
"""Longest that the runner may take to stop: a run that is going on is given 30 s to close."""


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

    Each run is a fresh process. A context manager: entering registers the deployment, leaving
    pauses it and ends the run that is going on.

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
        self._id: UUID | None = None

    def __enter__(self) -> Self:
        """Register the deployment and start to look for runs that are due."""
        self._id = self._loop.run_until_complete(self._register())
        self._serving = self._threads.submit(self._loop.run_until_complete, self._runner.start())
        return self

    def __exit__(self, *_exception: object) -> None:
        """Stop the runner; wait until the run that is going on has ended."""
        assert self._serving is not None  # noqa: S101 - set by __enter__
        if not self._serving.done():
            asyncio.run_coroutine_threadsafe(_stop(self._runner), self._loop).result(STOP_SECONDS)
            self._serving.result(STOP_SECONDS)
        self._threads.shutdown()
        self._loop.close()

    def check(self) -> None:
        """Raise what ended the runner, if anything did."""
        if self._serving is not None and self._serving.done():
            self._serving.result()
            raise ServerError(
                "the runner of scheduled flows ended by itself",
                where="assay flow serve",
                why="nothing runs any more",
                fix="serve again; what was recorded stays",
            )

    def next_run(self) -> datetime | None:
        """Return when the next run is due, or None if nothing is scheduled or nobody answers."""
        assert self._id is not None  # noqa: S101 - set by __enter__
        scheduled = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED]))
        try:
            with get_client(sync_client=True) as client:
                runs = client.read_flow_runs(
                    deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[self._id])),
                    flow_run_filter=FlowRunFilter(state=scheduled),
                    sort=FlowRunSort.EXPECTED_START_TIME_ASC,
                    limit=1,
                )
        except httpx.TransportError:
            return None  # A server that has ended is found by `LocalServer.check`.
        return runs[0].expected_start_time if runs else None

    async def _register(self) -> UUID:
        """Register the deployment as the only one, with no run going on."""
        chosen = await self._runner.aadd_deployment(self._deployment)
        async with get_client() as client:
            found = await client.read_deployments(limit=MOST, sort=DeploymentSort.NAME_ASC)
            for other in found:
                if other.id != chosen and not other.paused:
                    await client.pause_deployment(other.id)
            # A service that was killed leaves its slot taken, and then no run would ever start.
            await client.update_global_concurrency_limit(
                f"deployment:{chosen}", GlobalConcurrencyLimitUpdate(active_slots=0)
            )
        return chosen


async def _stop(runner: Runner) -> None:
    while not runner.started:  # noqa: ASYNC110 - it sets a flag, not an event
        await asyncio.sleep(0.05)
    await runner.astop()

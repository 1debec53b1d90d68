"""How the steps of a run are called: as plain Python, or as tasks of a Prefect flow.

Both call the same functions in the same order in this process, so both append the same records.
Tasks are coarse (a batch of windows, not a window), run one after the other in the process of the
flow, and are called directly: a failed task raises where it is called.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

IO_DELAYS_SECONDS = (1.0, 4.0)
"""Pauses before the further attempts at input and output."""


class Runner(Protocol):
    """Calls the work of a step."""

    def call(self, name: str, work: Callable[[], T], *, does_io: bool = False) -> T:
        """Return `work()`; with `does_io`, try again after an `OSError`."""
        ...

    def opened(self, run_id: str) -> dict[str, str]:
        """Take note of the run that was opened; return what the runner knows it by."""
        ...


class PlainRunner:
    """Calls the work directly."""

    def call(self, name: str, work: Callable[[], T], *, does_io: bool = False) -> T:
        """Return `work()`; with `does_io`, try again after an `OSError`."""
        del name
        for delay in IO_DELAYS_SECONDS if does_io else ():
            try:
                return work()
            except OSError:
                time.sleep(delay)
        return work()

    def opened(self, run_id: str) -> dict[str, str]:
        """Return nothing: a plain run is known by its run id alone."""
        del run_id
        return {}


class PrefectRunner:
    """Calls the work as a task of the flow that is running."""

    def call(self, name: str, work: Callable[[], T], *, does_io: bool = False) -> T:
        """Return the result of a task named `name`; only input and output are retried."""
        from prefect import task  # noqa: PLC0415 - 1.6 s, and only flows need it
        from prefect.cache_policies import NO_CACHE  # noqa: PLC0415

        as_task = task(
            name=name,
            retries=len(IO_DELAYS_SECONDS) if does_io else 0,
            retry_delay_seconds=list(IO_DELAYS_SECONDS),
            retry_condition_fn=is_io_failure,
            cache_policy=NO_CACHE,
            persist_result=False,
        )
        return as_task(work)()

    def opened(self, run_id: str) -> dict[str, str]:
        """Log the run id, so that Prefect leads to the ledger; return the flow run's id."""
        from prefect import get_run_logger  # noqa: PLC0415
        from prefect.runtime import flow_run  # noqa: PLC0415

        get_run_logger().info("recorded as run %s", run_id)
        return {"flow_run_id": str(flow_run.id)}


def is_io_failure(_task: object, _run: object, state: object) -> bool:
    """Tell whether a failed task state was caused by the operating system."""
    return isinstance(getattr(state, "data", None), OSError)

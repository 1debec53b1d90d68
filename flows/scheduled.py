"""The Prefect flows: one for each stage, and the parents `rebalance` and `backtest`.

Every flow calls the same `execute` as the command line, with its steps as tasks, so a run leaves
the same records whoever called it. Prefect's own database is for operating; the record is the
ledger.

Import this module only after the environment was set (`flows.local_server`): Prefect reads it once.

Known limits: Prefect keeps times and states of its own, and may lose some of them; what a run
decided is in the ledger, and a run that Prefect calls running may be over.
"""

from __future__ import annotations

import logging
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import flow, get_client, get_run_logger

from flows.commands.runs import resolve_profile, summary_data
from flows.errors import Explained, PackageShadowedError, UsageError, describe
from flows.local_server import ServerError
from flows.runner import PrefectRunner
from flows.settings import prepare_process, read_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefect import Flow
    from prefect.client.schemas.objects import FlowRun, State

    from flows.manifest import Resolved
    from flows.runs import RunSummary
    from flows.settings import Settings

for _name in ("prefect.flow_runs", "prefect.task_runs"):
    # Their lines go to the user interface. On the console they would show each failure twice more,
    # with a trace, beside our own four parts.
    logging.getLogger(_name).propagate = False


def run_as_flow(
    settings: Settings,
    resolved: Resolved,
    *,
    stage: str,
    as_of: str | None,
    progress: Callable[[str, int, int], None] = lambda _stage, _done, _total: None,
) -> RunSummary:
    """Run a resolved profile as a flow of this process and return its summary.

    Raises
    ------
    ServerError
        If the Prefect server does not answer, or none can be started.
    """
    check_server()

    @flow(name=stage)
    def run() -> RunSummary:
        return _execute(settings, resolved, stage, as_of, progress)

    return run()


def find_flow(kind: str) -> Flow[..., dict[str, object]]:
    """Return the flow of a kind of run.

    Raises
    ------
    UsageError
        If there is none.
    """
    if kind not in FLOWS:
        raise UsageError(
            f"unknown stage {kind!r}",
            where="the stage of a flow",
            why=f"stages are {', '.join(FLOWS)}",
            fix="name one of them",
        )
    return FLOWS[kind]


def check_server() -> None:
    """Reach the server of this environment, or start a temporary one where none is named.

    Raises
    ------
    ServerError
        If neither works.
    """
    try:
        with get_client(sync_client=True) as client:
            where, problem = str(client.api_url), client.api_healthcheck()
    except RuntimeError as error:
        where, problem = "the temporary server of this process", error
    if problem is not None:
        raise ServerError(
            f"the Prefect server does not answer: {problem!r}",
            where=where,
            why="a flow needs a server for its states; the ledger was not touched",
            fix="start it, unset PREFECT_API_URL for a temporary one, or use --runner plain",
        )


def _run(
    kind: str, workspace: str, profile: str | None, manifest: str | None, as_of: str | None
) -> dict[str, object]:
    """Run a profile inside the flow that is running and return its summary as JSON values."""
    prepare_process()
    check_packages()
    settings = read_settings(Path(workspace))
    resolved = resolve_profile(settings, manifest, profile)
    return summary_data(_execute(settings, resolved, kind, as_of))


def check_packages() -> None:
    """Refuse to run when one of the five packages is not the one beside this file.

    Raises
    ------
    PackageShadowedError
        If another distribution, or the current folder, owns the name.
    """
    from flows.commands.diagnosis import OURS, package_place  # noqa: PLC0415 - imports replay

    checkout = Path(__file__).resolve().parents[1]
    for name in OURS:
        place = package_place(name)
        if place != checkout / name:
            raise PackageShadowedError(
                f"the package {name} comes from elsewhere",
                where=str(place),
                why=f"a record is worth nothing if other code than {checkout / name} made it",
                fix=f"uninstall what owns the name {name} there; `assay doctor` lists all five",
            )


def _execute(
    settings: Settings,
    resolved: Resolved,
    kind: str,
    as_of: str | None,
    progress: Callable[[str, int, int], None] = lambda _stage, _done, _total: None,
) -> RunSummary:
    from flows.runs import execute  # noqa: PLC0415 - numpy, after the threads are pinned

    logger = get_run_logger()
    logger.info("%s of profile %s, manifest %s", kind, resolved.name, resolved.sha256)

    def show(stage: str, done: int, total: int) -> None:
        logger.info("%s: %s of %s", stage, done, total)
        progress(stage, done, total)

    summary = execute(settings, resolved, PrefectRunner(), kind=kind, as_of=as_of, progress=show)
    size = summary.checkpoint.size
    logger.info("run %s: %s decisions, checkpoint at %s", summary.run_id, summary.intents, size)
    return summary


def show_failure(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Print why a scheduled run failed: it has no command line that would do so."""
    error = getattr(state.data, "result", state.data)
    if isinstance(error, Explained):
        text = describe(error)
    elif isinstance(error, BaseException):
        text = "".join(traceback.format_exception(error)).rstrip()
    else:
        text = str(state.message)
    print(f"{flow.name} {flow_run.name} failed\n{text}", file=sys.stderr, flush=True)  # noqa: T201


@flow(name="ingestion", on_failure=[show_failure])
def ingestion(
    workspace: str,
    profile: str | None = None,
    manifest: str | None = None,
    as_of: str | None = None,
) -> dict[str, object]:
    """Read the prices of a profile and assess their health."""
    return _run("ingestion", workspace, profile, manifest, as_of)


@flow(name="selection", on_failure=[show_failure])
def selection(
    workspace: str,
    profile: str | None = None,
    manifest: str | None = None,
    as_of: str | None = None,
) -> dict[str, object]:
    """Detect the regime and select the symbols of one date."""
    return _run("selection", workspace, profile, manifest, as_of)


@flow(name="optimization", on_failure=[show_failure])
def optimization(
    workspace: str,
    profile: str | None = None,
    manifest: str | None = None,
    as_of: str | None = None,
) -> dict[str, object]:
    """Weigh the selected symbols of one date with every cell."""
    return _run("optimization", workspace, profile, manifest, as_of)


@flow(name="simulation", on_failure=[show_failure])
def simulation(
    workspace: str,
    profile: str | None = None,
    manifest: str | None = None,
    as_of: str | None = None,
) -> dict[str, object]:
    """Simulate the window after one date."""
    return _run("simulation", workspace, profile, manifest, as_of)


@flow(name="rebalance", on_failure=[show_failure])
def rebalance(
    workspace: str,
    profile: str | None = None,
    manifest: str | None = None,
    as_of: str | None = None,
) -> dict[str, object]:
    """Decide the trades of one date from what the last rebalance left."""
    return _run("rebalance", workspace, profile, manifest, as_of)


@flow(name="backtest", on_failure=[show_failure])
def backtest(
    workspace: str,
    profile: str | None = None,
    manifest: str | None = None,
    as_of: str | None = None,
) -> dict[str, object]:
    """Walk a profile forward through its whole history."""
    return _run("backtest", workspace, profile, manifest, as_of)


FLOWS: dict[str, Flow[..., dict[str, object]]] = {
    "ingestion": ingestion,
    "selection": selection,
    "optimization": optimization,
    "simulation": simulation,
    "rebalance": rebalance,
    "backtest": backtest,
}
"""Kind of run -> its flow."""

"""The Prefect flows: one for each stage, and the parents `rebalance` and `backtest`.

Every flow calls the same `execute` as the command line, with its steps as tasks. Prefect's own
database is for operating; the record is the ledger.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from prefect import flow, get_run_logger

from flows.commands.runs import resolve_profile, summary_data
from flows.runner import PrefectRunner
from flows.runs import RunSummary, execute
from flows.settings import Settings, read_settings

if TYPE_CHECKING:
    from flows.manifest import Resolved


def run_as_flow(
    settings: Settings, resolved: Resolved, *, stage: str, as_of: str | None
) -> RunSummary:
    """Run a resolved profile as a flow of this process and return its summary."""

    @flow(name=stage, validate_parameters=False)
    def run() -> RunSummary:
        return _execute(settings, resolved, stage, as_of)

    return run()


def _run(
    kind: str, workspace: str, profile: str | None, manifest: str | None, as_of: str | None
) -> dict[str, object]:
    """Run a profile inside the flow that is running and return its summary as JSON values."""
    settings = read_settings(Path(workspace))
    return summary_data(
        _execute(settings, resolve_profile(settings, manifest, profile), kind, as_of)
    )


def _execute(settings: Settings, resolved: Resolved, kind: str, as_of: str | None) -> RunSummary:
    logger = get_run_logger()
    logger.info("%s of profile %s, manifest %s", kind, resolved.name, resolved.sha256)
    summary = execute(
        settings,
        resolved,
        PrefectRunner(),
        kind=kind,
        as_of=as_of,
        progress=lambda stage, done, total: logger.info("%s: %s of %s", stage, done, total),
    )
    size = summary.checkpoint.size
    logger.info("run %s: %s decisions, checkpoint at %s", summary.run_id, summary.intents, size)
    return summary


@flow(name="ingestion", retries=0)
def ingestion(
    workspace: str,
    profile: str | None = None,
    manifest: str | None = None,
    as_of: str | None = None,
) -> dict[str, object]:
    """Read the prices of a profile and assess their health."""
    return _run("ingestion", workspace, profile, manifest, as_of)


@flow(name="selection", retries=0)
def selection(
    workspace: str,
    profile: str | None = None,
    manifest: str | None = None,
    as_of: str | None = None,
) -> dict[str, object]:
    """Detect the regime and select the symbols of one date."""
    return _run("selection", workspace, profile, manifest, as_of)


@flow(name="optimization", retries=0)
def optimization(
    workspace: str,
    profile: str | None = None,
    manifest: str | None = None,
    as_of: str | None = None,
) -> dict[str, object]:
    """Weigh the selected symbols of one date with every cell."""
    return _run("optimization", workspace, profile, manifest, as_of)


@flow(name="simulation", retries=0)
def simulation(
    workspace: str,
    profile: str | None = None,
    manifest: str | None = None,
    as_of: str | None = None,
) -> dict[str, object]:
    """Simulate the window after one date."""
    return _run("simulation", workspace, profile, manifest, as_of)


@flow(name="rebalance", retries=0)
def rebalance(
    workspace: str,
    profile: str | None = None,
    manifest: str | None = None,
    as_of: str | None = None,
) -> dict[str, object]:
    """Decide the trades of one date from what the last rebalance left."""
    return _run("rebalance", workspace, profile, manifest, as_of)


@flow(name="backtest", retries=0)
def backtest(
    workspace: str,
    profile: str | None = None,
    manifest: str | None = None,
    as_of: str | None = None,
) -> dict[str, object]:
    """Walk a profile forward through its whole history."""
    return _run("backtest", workspace, profile, manifest, as_of)


FLOWS = {
    "ingestion": ingestion,
    "selection": selection,
    "optimization": optimization,
    "simulation": simulation,
    "rebalance": rebalance,
    "backtest": backtest,
}
"""Kind of run -> its flow."""

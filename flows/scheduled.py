"""The Prefect flows: one for each stage, and the parents `rebalance` and `backtest`.

Every flow calls the same `execute` as the command line, with its steps as tasks. Prefect's own
database is for operating; the record is the ledger.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from prefect import flow, get_run_logger
from prefect.runtime import flow_run

from flows.commands.runs import resolve_profile, summary_data
from flows.runner import PrefectRunner
from flows.runs import RunSummary, execute
from flows.settings import Settings, read_settings

if TYPE_CHECKING:
    from flows.manifest import Resolved


def _run(kind: str, workspace: str, profile: str | None, manifest: str | None, as_of: str | None) -> dict[str, object]:
    """Run a profile inside the flow that is running and return its summary."""
    logger = get_run_logger()
    settings = read_settings(Path(workspace))
    resolved = resolve_profile(settings, manifest, profile)
    logger.info("%s of profile %s, manifest %s", kind, resolved.name, resolved.sha256)
    summary = execute(
        settings,
        resolved,
        PrefectRunner(),
        kind=kind,
        as_of=as_of,
        progress=lambda stage, done, total: logger.info("%s: %s of %s", stage, done, total),
    )
    logger.info(
        "run %s: %s decisions, checkpoint at %s records",
        summary.run_id,
        summary.intents,
        summary.checkpoint.size,
    )
    return summary_data(summary)


@flow(name="ingestion", retries=0)
def ingestion(
    workspace: str, profile: str | None = None, manifest: str | None = None, as_of: str | None = None
) -> dict[str, object]:
    """Read the prices of a profile and assess their health."""
    return _run("ingestion", workspace, profile, manifest, as_of)


@flow(name="selection", retries=0)
def selection(
    workspace: str, profile: str | None = None, manifest: str | None = None, as_of: str | None = None
) -> dict[str, object]:
    """Detect the regime and select the symbols of one date."""
    return _run("selection", workspace, profile, manifest, as_of)


@flow(name="optimization", retries=0)
def optimization(
    workspace: str, profile: str | None = None, manifest: str | None = None, as_of: str | None = None
) -> dict[str, object]:
    """Weigh the selected symbols of one date with every cell."""
    return _run("optimization", workspace, profile, manifest, as_of)


@flow(name="simulation", retries=0)
def simulation(
    workspace: str, profile: str | None = None, manifest: str | None = None, as_of: str | None = None
) -> dict[str, object]:
    """Simulate the window after one date."""
    return _run("simulation", workspace, profile, manifest, as_of)


@flow(name="rebalance", retries=0)
def rebalance(
    workspace: str, profile: str | None = None, manifest: str | None = None, as_of: str | None = None
) -> dict[str, object]:
    """Decide the trades of one date from what the last rebalance left."""
    return _run("rebalance", workspace, profile, manifest, as_of)


@flow(name="backtest", retries=0)
def backtest(
    workspace: str, profile: str | None = None, manifest: str | None = None, as_of: str | None = None
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

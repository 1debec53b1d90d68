"""Builds the warehouse from the verified ledger and records the content hash of every mart."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

from flows.recorder import Encoded, Outcome
from flows.session import recording
from pipeline.records import Intent

if TYPE_CHECKING:
    from flows.settings import Settings
    from pipeline.values import Payload
    from warehouse.build import BuildResult


def build_warehouse(settings: Settings, *, rebuild: bool = False) -> BuildResult:
    """Build, publish a snapshot and record the result.

    Parameters
    ----------
    settings : Settings
        Where we are.
    rebuild : bool
        Start from an empty database.

    Raises
    ------
    WarehouseError
        If a record does not verify or a model fails; recorded as a failed run.
    """
    from warehouse.build import build  # noqa: PLC0415 - duckdb

    workspace = settings.find_workspace()
    with recording(settings, kind="build", name="build") as recorder:
        (id_,) = recorder.intend([Intent(step="build", sleeve="warehouse")])
        started = time.perf_counter()
        # The marts stand on the records before this run: its own are not about decisions.
        through = recorder.counts.first_seq - 1
        result = build(workspace.root, through_seq=through, rebuild=rebuild)
        seconds = time.perf_counter() - started
        encoded = Encoded.of(cast("Payload", result.to_payload()))
        recorder.conclude([Outcome(id_, "build", "ok", encoded, seconds=seconds)])
    return result

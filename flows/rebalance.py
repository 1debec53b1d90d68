"""One decision date, as scheduled in production: from fresh prices to trades.

The holdings come from the ledger: the trades of the last run of the same profile are simulated up
to the decision date, and what that leaves is what the new targets are compared with. A sequence of
scheduled runs thereby makes the same decisions as one walk-forward over the same dates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from flows.batch import Results, decide_batch
from flows.errors import UsageError
from flows.ingestion import ingest
from flows.planning import WindowPlan
from flows.settings import now
from ledger import read_records
from pipeline.simulation.walk_forward import Window
from pipeline.values import iso
from pipeline.walk import check_gate
from replay.errors import EvidenceMissingError
from replay.history import History

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flows.planning import Track
    from flows.session import Session
    from ledger import Record
    from pipeline.config import Cell, WalkForwardParams
    from pipeline.ingestion.source import Bars
    from pipeline.values import Panel, Payload

UNTIL = {
    "ingestion": "assess",
    "selection": "select",
    "optimization": "optimize",
    "simulation": "simulate",
    "rebalance": "rebalance",
}
"""Kind of run -> last step it decides."""


@dataclass(frozen=True, slots=True)
class Carried:
    """What an earlier run left for one cell.

    Attributes
    ----------
    as_of : str
        Its decision date.
    trades : str
        Id of its `rebalance` decision.
    simulation : str or None
        Id of the simulation whose holdings it started from.
    """

    as_of: str
    trades: str
    simulation: str | None


def decide_date(
    session: Session, prices: Mapping[str, Bars], kind: str, as_of: str | None
) -> Results:
    """Decide one date for every sleeve of the profile.

    Parameters
    ----------
    session : Session
        The open run.
    prices : mapping of str to Bars
        Sleeve -> what its source gave.
    kind : str
        A key of `UNTIL`.
    as_of : str or None
        Decision date; the last day of the prices if absent.

    Raises
    ------
    UsageError
        If the date leaves too few rows, or a meta-portfolio is to be rebalanced.
    """
    # A live book is judged on today, research on the last day of its prices.
    live = session.resolved.profile.mode == "live"
    asked = as_of or (now().date().isoformat() if live else None)
    results = Results()
    for number, (name, profile) in enumerate(session.resolved.sleeves.items()):
        track = ingest(session, results, name, profile, prices[name])
        window = window_on(track.panel, profile.walk_forward, kind, as_of)
        plan = WindowPlan(track, window, asked)
        from_holdings = kind == "optimization" and profile.optimization.trading.used
        if kind == "rebalance" or from_holdings:
            _carry(session, results, track, plan)
        plan.assets(UNTIL[kind])
        inputs = {"snapshot": track.snapshot}
        session.runner.call(
            f"{kind} {name}",
            lambda plan=plan, inputs=inputs: decide_batch(  # type: ignore[misc]
                session.recorder, results, plan.planned, inputs
            ),
        )
        session.progress(name, number + 1, len(session.resolved.sleeves))
        for health in results.of_steps(("assess",)).values():
            check_gate(health)
    return results


def window_on(panel: Panel, geometry: WalkForwardParams, kind: str, as_of: str | None) -> Window:
    """Return the window that ends on the decision date.

    Raises
    ------
    UsageError
        If there are fewer rows up to the date than a decision learns from.
    """
    dates = panel.dates
    day = dates[-1] if as_of is None else np.datetime64(as_of, "D")
    stop = int(np.searchsorted(dates, day, side="right"))
    if kind == "simulation" and as_of is None:
        stop = len(dates) - geometry.test_days
    if stop < geometry.train_days:
        raise UsageError(
            f"{max(stop, 0)} market days up to {day}; expected at least {geometry.train_days}",
            where=f"prices from {iso(dates[0])} to {iso(dates[-1])}",
            why="a decision learns from walk_forward.train_days rows",
            fix="choose a later --as-of, give more history, or lower train_days",
        )
    held = min(stop + geometry.test_days, len(dates)) if kind == "simulation" else stop
    return Window(
        ordinal=0,
        train_first=stop - geometry.train_days,
        train_stop=stop,
        test_first=stop,
        test_stop=held,
        partial=held - stop < geometry.test_days,
    )


def _carry(session: Session, results: Results, track: Track, plan: WindowPlan) -> None:
    """Plan the simulation of each cell's last trades up to the decision date."""
    history = History(read_records(session.workspace.ledger), session.recorder.blobs)
    for cell in track.profile.optimization.cells:
        before = _last_trades(history, session.resolved.name, track.name, cell, plan.as_of)
        if before is None:
            continue
        results.add(before.trades, history.result(before.trades)[0])
        track.last_trades[cell.label] = before.trades
        if before.simulation is not None:
            results.add(before.simulation, history.result(before.simulation)[0])
            track.last_simulation[cell.label] = before.simulation
        since = int(np.searchsorted(track.panel.dates, np.datetime64(before.as_of, "D")))
        plan.carried(cell, since)


def _last_trades(
    history: History, profile: str, sleeve: str, cell: Cell, before: str
) -> Carried | None:
    """Return the last trades of a cell, in an earlier rebalance run, dated before `before`.

    Raises
    ------
    EvidenceMissingError
        If what may have been the last trades was erased: older ones are no stand-in.
    """
    found: Carried | None = None
    erased: str | None = None
    openings = [*history.runs.values(), *history.erased_runs.values()]
    for run in sorted(openings, key=lambda opening: opening.seq):
        if not _may_rebalance(history, run, profile, f"{sleeve}.{cell.label}"):
            continue
        id_ = f"{run.run_id}/rebalance/{sleeve}.{cell.label}.0000/1"
        decision = history.get(id_)
        if decision is None or decision.outcome is None:
            continue
        # The status goes with the content: what was erased may have been trades.
        if gone := history.erasure(run, decision.intent, decision.outcome):
            erased = gone
            continue
        if decision.outcome.status != "ok":
            continue
        intent = cast("Payload", decision.intent.data)
        as_of, upstream = cast("str", intent["as_of"]), cast("dict[str, str]", intent["upstream"])
        if as_of < before and (found is None or as_of >= found.as_of):
            found, erased = Carried(as_of, id_, upstream.get("holdings")), None
    if erased is not None:
        raise EvidenceMissingError(
            f"the last trades of {sleeve}.{cell.label} are not known: {erased}",
            where=f"profile {profile}",
            why="the holdings follow from the last trades, and older ones would be other holdings",
            fix="go on under a profile with another name, which begins with cash",
        )
    return found


def _may_rebalance(history: History, run: Record, profile: str, label: str) -> bool:
    """Return whether a run rebalanced `profile`; of an erased opening, whether it may have."""
    if not run.redacted:
        return run.data["kind"] == "rebalance" and run.data["profile"] == profile
    # A walk measures what it held in the end; a single date does not.
    walked = history.get(f"{run.run_id}/measure/{label}/1") is not None
    return run.run_id.endswith(f"-{profile}") and not walked

"""The tournament: engines and risk profiles side by side over the same windows.

Every cell is a trial. Its intent is recorded before the first window is decided, with the rule that
will rank it in the opening record, so the number of tries can be counted by anybody and the rule
cannot be chosen after the results. A cell that fails ends there and is a trial all the same.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from flows.backtest import walk_sleeve
from flows.batch import Planned, Results, decide_batch, take
from flows.ingestion import ingest, read_prices
from flows.resume import resumed
from flows.runs import summarize
from flows.session import open_session
from flows.workers import open_pool
from ledger import read_records
from pipeline.config import Cell
from pipeline.errors import ConfigError, SolverError
from pipeline.optimization.engines.base import capability_table, check_cells, installed
from pipeline.records import Intent
from pipeline.simulation.walk_forward import windows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from flows.manifest import Resolved
    from flows.planning import Track
    from flows.recorder import Outcome
    from flows.runner import Runner
    from flows.runs import RunSummary
    from flows.session import Session
    from flows.settings import Settings
    from pipeline.config import OptimizationParams, RunProfile
    from pipeline.ingestion.source import Bars
    from pipeline.values import Json, Payload

KIND = "tournament"


def with_cells(
    resolved: Resolved,
    engines: Sequence[str] = (),
    risk_profiles: Sequence[str] = (),
    *,
    every: bool = False,
) -> Resolved:
    """Return the profile with the cells of a tournament, the baseline among them.

    Parameters
    ----------
    resolved : Resolved
        Whose cells are taken where nothing else is asked for.
    engines, risk_profiles : sequence of str
        All combinations that the capability table supports.
    every : bool
        Every combination that it supports.

    Raises
    ------
    ConfigError
        If no combination is left.
    """

    def chosen(profile: RunProfile) -> RunProfile:
        limits = profile.optimization
        cells = limits.cells
        if every or engines or risk_profiles:
            cells = _supported(limits, engines, risk_profiles)
        baseline = profile.tournament.baseline
        limits = limits.model_copy(update={"cells": tuple(dict.fromkeys((baseline, *cells)))})
        return profile.model_copy(update={"optimization": limits})

    sleeves = {name: chosen(profile) for name, profile in resolved.sleeves.items()}
    return replace(resolved, profile=chosen(resolved.profile), sleeves=sleeves)


def _supported(
    limits: OptimizationParams, engines: Sequence[str], risk_profiles: Sequence[str]
) -> tuple[Cell, ...]:
    """Return the cells asked for that these limits allow; one asked for by both names must be."""
    cells = []
    for entry in capability_table():
        wanted = (not engines or entry.engine in engines) and (
            not risk_profiles or entry.risk_profile in risk_profiles
        )
        if not wanted or entry.refused or not installed(entry.engine):
            continue
        cell = Cell(engine=entry.engine, risk_profile=entry.risk_profile)
        if _allowed(cell, limits):
            cells.append(cell)
    if not cells:
        raise ConfigError(
            "no engine supports what was asked for",
            where=f"--engine {', '.join(engines) or 'any'} "
            f"--risk-profile {', '.join(risk_profiles) or 'any'}",
            why="cells are taken from the capability table, within the limits of the profile",
            fix="see `assay engines`",
        )
    return tuple(cells)


def _allowed(cell: Cell, limits: OptimizationParams) -> bool:
    try:
        check_cells([cell], limits)
    except ConfigError:
        return False
    return True


def sealed(resolved: Resolved) -> Payload:
    """Return what the opening record says before there is any result: rule and cells."""
    return {
        "tournament": {
            "rule": resolved.profile.tournament.model_dump(mode="json"),
            "cells": {
                name: [cell.label for cell in profile.optimization.cells]
                for name, profile in sorted(resolved.sleeves.items())
            },
        }
    }


def hold(
    settings: Settings,
    resolved: Resolved,
    runner: Runner,
    *,
    jobs: int,
    progress: Callable[[str, int, int], None],
) -> RunSummary:
    """Run the tournament of a profile; its cells are those of `with_cells`."""
    prices = read_prices(resolved, runner)
    with open_session(
        settings,
        resolved,
        runner,
        kind=KIND,
        progress=progress,
        jobs=jobs,
        details=sealed(resolved),
    ) as session:
        results = tournament(session, prices)
    return summarize(session, KIND, results)


def go_on(
    settings: Settings,
    text: str,
    runner: Runner,
    *,
    jobs: int,
    progress: Callable[[str, int, int], None],
) -> RunSummary:
    """Go on with a tournament that ended before it was done."""
    with resumed(settings, text, runner, kind=KIND, jobs=jobs, progress=progress) as found:
        session, prices, earlier = found
        results = tournament(session, prices, earlier)
    return summarize(session, KIND, results)


def tournament(
    session: Session, prices: Mapping[str, Bars], results: Results | None = None
) -> Results:
    """Walk every cell of every sleeve, and score the trials of each sleeve.

    Parameters
    ----------
    session : Session
        The open run.
    prices : mapping of str to Bars
        Sleeve -> what its source gave.
    results : Results, optional
        What an earlier attempt of the run has recorded.

    Returns
    -------
    Results
        Among them `trial` and `score`.
    """
    results = Results() if results is None else results
    tracks = [
        ingest(session, results, name, profile, prices[name])
        for name, profile in session.resolved.sleeves.items()
    ]
    trials = {track.name: register(session, results, track) for track in tracks}
    with open_pool(session.jobs, session.workspace.blobs) as pool:
        for track in tracks:
            entered = track.profile.optimization.cells
            failed = walk_sleeve(session, results, track, pool, isolate=True)
            conclude(session, results, trials[track.name])
            score(session, results, track, entered, failed)
    return results


def register(session: Session, results: Results, track: Track) -> dict[str, Planned]:
    """Record that every cell is tried, and return the trials without outcome by their ids."""
    planned = {}
    count = len(windows(len(track.panel.dates), track.profile.walk_forward))
    for cell in track.profile.optimization.cells:
        intent = Intent(
            step="trial",
            sleeve=track.name,
            cell=cell,
            params={"windows": count, "periods_per_year": track.periods_per_year},
            upstream={
                "simulations": _every(track, "simulate", cell),
                "weights": _every(track, "optimize", cell),
            },
            seed=track.profile.seed,
        )
        id_ = track.decision_id("trial", intent.ordinal)
        if results.recorded(id_) is None:
            planned[id_] = Planned(intent)
    session.recorder.intend([entry.intent for entry in planned.values()])
    return planned


def _every(track: Track, step: str, cell: Cell) -> str:
    """Return the id that stands for all decisions of a cell in a step."""
    return track.decision_id(step, f"{track.name}.{cell.label}.*").removesuffix("/1")


def conclude(session: Session, results: Results, trials: Mapping[str, Planned]) -> None:
    """Record what came of the trials: a judgement, or that the cell was not walked to the end."""
    found = [take(id_, planned, results) for id_, planned in trials.items()]
    session.recorder.conclude([taken.outcome for taken in found])
    for taken in found:
        if taken.error is not None and not isinstance(taken.error, SolverError):
            raise taken.error


def score(
    session: Session,
    results: Results,
    track: Track,
    entered: Sequence[Cell],
    failed: Mapping[str, Outcome],
) -> None:
    """Record the scoreboard of a sleeve; where every cell failed there is none."""
    done = [cell for cell in entered if cell.label not in failed]
    if not done:
        return
    name = session.resolved.name
    upstream = {
        f"trial.{cell.label}": track.decision_id("trial", f"{track.name}.{cell.label}")
        for cell in done
    }
    upstream.update({f"simulations.{cell.label}": _every(track, "simulate", cell) for cell in done})
    count = len(windows(len(track.panel.dates), track.profile.walk_forward))
    intent = Intent(
        step="score",
        sleeve=track.name,
        params={
            "tournament": cast("Json", track.profile.tournament.model_dump(mode="json")),
            "tried": tried(session.workspace.ledger, name, track.name),
            "failed": [
                _failure(label, outcome, count) for label, outcome in sorted(failed.items())
            ],
        },
        upstream=upstream,
        seed=track.profile.seed,
    )
    decide_batch(session.recorder, results, [Planned(intent)], {})


def _failure(label: str, outcome: Outcome, windows_count: int) -> Payload:
    """Return a cell that was not walked to the end as it stands on the scoreboard."""
    reached = int(outcome.id.split("/")[2].rpartition(".")[2])
    return {
        "cell": label,
        "windows": windows_count,
        "failed_windows": windows_count - reached,
        "code": (outcome.error or {}).get("code"),
        "what": (outcome.error or {}).get("what"),
    }


def tried(ledger: Path, profile: str, sleeve: str) -> int:
    """Return how many trials of a sleeve of a profile the ledger holds: the honest N.

    Trials that failed or were aborted count; a further attempt of the same trial does not.
    """
    runs: set[str] = set()
    found: set[str] = set()
    for record in read_records(ledger):
        if record.type == "run" and record.redacted and record.id.endswith("/open"):
            # Its profile is not known any more: an erasure must not lower the count.
            runs.add(record.run_id)
        elif record.type == "run" and record.status == "open":
            if record.data["profile"] == profile:
                runs.add(record.run_id)
        elif (
            record.type == "intent"
            and record.id.split("/")[1] == "trial"
            and record.run_id in runs
            and record.id.split("/")[2].rsplit(".", 2)[0] == sleeve
        ):
            found.add(record.id.rpartition("/")[0])
    return len(found)

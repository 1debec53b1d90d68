"""The walk-forward of a whole run: every sleeve, then their combination.

The parent flow of research. `backtest` is plain Python; `backtest_flow` is the same as a Prefect
flow whose tasks are the ingestion of a sleeve and batches of its windows.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar, cast

from flows.batch import Planned, Results, decide_batch, gather
from flows.ingestion import ingest
from flows.planning import Track, WindowPlan
from flows.recorder import Outcome
from flows.workers import open_pool
from pipeline.ingestion.snapshot import bars_of, to_snapshot
from pipeline.meta.sleeves import deciding_record
from pipeline.records import Intent
from pipeline.simulation.walk_forward import windows
from pipeline.walk import compose_sleeves

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flows.session import Session
    from flows.workers import Pool
    from pipeline.config import Cell, RunProfile
    from pipeline.ingestion.source import Bars
    from pipeline.meta.sleeves import Source
    from pipeline.values import Payload

T = TypeVar("T")

BATCH_WINDOWS = 16
"""Windows whose intents are made durable together."""


def backtest(session: Session, prices: Mapping[str, Bars]) -> Results:
    """Run every sleeve of the profile walk-forward, combine them, and measure all books.

    Parameters
    ----------
    session : Session
        The open run.
    prices : mapping of str to Bars
        Sleeve -> what its source gave.

    Returns
    -------
    Results
        The results that the closing page shows (`measure`, `compose` and what they need).
    """
    results = Results()
    tracks = [
        ingest(session, results, name, profile, prices[name])
        for name, profile in session.resolved.sleeves.items()
    ]
    with open_pool(session.jobs, session.workspace.blobs) as pool:
        for track in tracks:
            walk_sleeve(session, results, track, pool)
        if session.resolved.profile.sleeves:
            combine(session, results, tracks, pool)
    return results


def walk_sleeve(
    session: Session,
    results: Results,
    track: Track,
    pool: Pool | None = None,
    *,
    isolate: bool = False,
) -> dict[str, Outcome]:
    """Decide every window of a sleeve in order and measure its books.

    With `isolate` a cell that fails is taken out of the track, and the others go on.

    Returns
    -------
    dict of str to Outcome
        Label of each cell that was taken out -> the outcome that failed.
    """
    failed: dict[str, Outcome] = {}
    every = windows(len(track.panel.dates), track.profile.walk_forward)
    for number, batch in enumerate(batched(every, BATCH_WINDOWS)):
        planned = [entry for window in batch for entry in WindowPlan(track, window).assets()]
        name = f"{track.name} windows {number}"
        outcomes = _decide(session, results, track, planned, name=name, pool=pool, isolate=isolate)
        broken = [outcome for outcome in outcomes if outcome.status == "failed"]
        failed.update((_label(outcome.id), outcome) for outcome in broken)
        _take_out(track, failed)
        results.drop(("assess", "detect", "select", *(() if isolate else ("optimize",))))
        results.reduce("optimize", ("fallbacks",))
        session.progress(track.name, batch[-1].ordinal + 1, len(every))
        if not track.profile.optimization.cells:
            break
    measure(session, results, track, track.profile.optimization.cells)
    return failed


def _label(id_: str) -> str:
    """Return the label of the cell in the id of a window's decision."""
    return id_.split("/")[2].partition(".")[2].rpartition(".")[0]


def _take_out(track: Track, failed: Mapping[str, Outcome]) -> None:
    """Leave the cells that failed out of the windows to come."""
    if failed:
        cells = tuple(c for c in track.profile.optimization.cells if c.label not in failed)
        limits = track.profile.optimization.model_copy(update={"cells": cells})
        track.profile = track.profile.model_copy(update={"optimization": limits})


def combine(
    session: Session, results: Results, tracks: Sequence[Track], pool: Pool | None = None
) -> None:
    """Run the meta-portfolio: join the sleeves, weigh them walk-forward, flatten, measure."""
    meta, composition, used = compose(session, results, tracks)
    profile = session.resolved.profile
    geometry = profile.walk_forward.model_copy(update={"train_days": profile.meta.train_days})
    held = [SleeveBook(results, track, used[track.name]) for track in tracks if track.name in used]
    every = windows(len(meta.panel.dates), geometry)
    for number, batch in enumerate(batched(every, BATCH_WINDOWS)):
        planned: list[Planned] = []
        for window in batch:
            plan = WindowPlan(meta, window)
            portfolios = {book.sleeve: book.deciding_id(plan.as_of) for book in held}
            planned.extend(plan.sleeves(composition, portfolios))
        _decide(session, results, meta, planned, name=f"meta windows {number}", pool=pool)
        session.progress("meta", batch[-1].ordinal + 1, len(every))
    measure(session, results, meta, [profile.meta.cell])


class SleeveBook:
    """The recorded decisions of the cell that stands for a sleeve.

    Parameters
    ----------
    results : Results
        Where its trades and simulations are kept.
    track : Track
        The sleeve.
    cell : Cell
        The cell that is used.
    """

    def __init__(self, results: Results, track: Track, cell: Cell) -> None:
        self.sleeve = track.name
        ordinal = f"{track.name}.{cell.label}."
        self._ids: dict[Source, list[str]] = {}
        self._found: dict[Source, list[Payload]] = {}
        for step in SOURCES:
            prefix = track.decision_id(step, ordinal).removesuffix("/1")
            self._ids[step] = results.ids(prefix)
            self._found[step] = [results.get(id_)[0] for id_ in self._ids[step]]

    def deciding_id(self, day: str) -> str:
        """Return the id of the decision that says what the sleeve holds at the close of `day`."""
        step, position = deciding_record(self._found["rebalance"], self._found["simulate"], day)
        return self._ids[step][position]


SOURCES: tuple[Source, ...] = ("rebalance", "simulate")


def compose(
    session: Session, results: Results, tracks: Sequence[Track]
) -> tuple[Track, str, dict[str, Cell]]:
    """Join the NAVs of the sleeves to a snapshot and record which cell stands for each sleeve.

    Returns
    -------
    tuple
        The track of the meta-portfolio, the id of the composition, sleeve -> cell used.
    """
    profile, recorder = session.resolved.profile, session.recorder
    intent = _compose_intent(profile, tracks)
    (id_,) = recorder.intend([intent])
    started = time.perf_counter()
    evidence, used = gather(Planned(intent), results)
    composition = compose_sleeves(intent, evidence)
    snapshot = recorder.blobs.put(to_snapshot(bars_of(composition.panel)))
    result = results.add(id_, composition.to_payload())
    outcome = Outcome(
        id_,
        "compose",
        "ok",
        result,
        upstream_sha256=used,
        outputs={"snapshot": snapshot},
        seconds=time.perf_counter() - started,
    )
    recorder.conclude([outcome])
    periods = composition.calendar.periods_per_year
    track = Track(
        "meta", profile, composition.panel, snapshot, "close", periods, recorder.decision_id
    )
    return track, id_, {choice.sleeve: choice.used for choice in composition.choices}


def _compose_intent(profile: RunProfile, tracks: Sequence[Track]) -> Intent:
    calendars: Payload = {
        track.name: {
            "name": track.profile.data.calendar,
            "periods_per_year": track.periods_per_year,
        }
        for track in tracks
    }
    upstream = {
        f"{track.name}.{cell.label}": _every_simulation(track, cell)
        for track in tracks
        for cell in track.profile.optimization.cells
    }
    meta = cast("Payload", profile.meta.model_dump(mode="json"))
    return Intent(
        step="compose",
        sleeve="meta",
        params={"meta": meta, "calendars": calendars},
        upstream=upstream,
        seed=profile.seed,
    )


def _every_simulation(track: Track, cell: Cell) -> str:
    """Return the id that stands for all simulations of a cell."""
    return track.decision_id("simulate", f"{track.name}.{cell.label}.*").removesuffix("/1")


def measure(session: Session, results: Results, track: Track, cells: Sequence[Cell]) -> None:
    """Record the metrics of every book of a sleeve over its stitched windows."""
    planned = [
        Planned(
            Intent(
                step="measure",
                sleeve=track.name,
                cell=cell,
                params={"periods_per_year": track.periods_per_year},
                upstream={"simulations": _every_simulation(track, cell)},
                seed=track.profile.seed,
            )
        )
        for cell in cells
    ]
    decide_batch(session.recorder, results, planned, {})


def batched(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield `items` in slices of `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _decide(
    session: Session,
    results: Results,
    track: Track,
    planned: list[Planned],
    *,
    name: str,
    pool: Pool | None,
    isolate: bool = False,
) -> list[Outcome]:
    inputs = {"snapshot": track.snapshot}
    recorder = session.recorder
    return session.runner.call(
        name,
        lambda: decide_batch(recorder, results, planned, inputs, pool, isolate=isolate),
    )

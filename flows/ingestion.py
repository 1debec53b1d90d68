"""Ingestion: from a source to a snapshot blob and the rows that decisions are taken on."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from flows.batch import Planned, decide_batch
from flows.planning import Track
from pipeline.errors import ConfigError, DataError
from pipeline.ingestion.snapshot import panel_of, price_field, to_snapshot
from pipeline.ingestion.source import open_source, restrict
from pipeline.optimization.engines.base import check_cells
from pipeline.records import Intent
from pipeline.simulation.walk_forward import windows

if TYPE_CHECKING:
    from pathlib import Path

    from flows.batch import Results
    from flows.manifest import Resolved
    from flows.runner import Runner
    from flows.session import Session
    from pipeline.config import DataParams, RunProfile
    from pipeline.ingestion.source import Bars
    from pipeline.values import Panel, Payload


def read_prices(resolved: Resolved, runner: Runner) -> dict[str, Bars]:
    """Return what the source of each sleeve gives, checked as far as it can be without deciding.

    Raises
    ------
    PipelineError
        If a source cannot be read, or its prices or the limits can never work. Nothing is recorded
        yet, so bad input leaves no trace in the ledger.
    """
    prices = {}
    for name, profile in resolved.sleeves.items():
        limits = profile.optimization
        check_cells((*limits.cells, *limits.fallback), limits)
        prices[name] = runner.call(
            f"read {name}",
            lambda data=profile.data: read_bars(data, resolved.base),  # type: ignore[misc]
            does_io=True,
        )
        check_prices(prices[name], profile)
    return prices


def read_bars(params: DataParams, base: Path) -> Bars:
    """Return the bars of the source, cut to the symbols and dates wanted."""
    return restrict(open_source(params.source, base).read(), params)


def check_prices(bars: Bars, profile: RunProfile) -> None:
    """Refuse prices that are too short or never move, and caps that can never be filled."""
    prices = panel_of(bars, price_field(bars, profile.data))
    windows(len(prices.dates), profile.walk_forward)
    _refuse_constants(prices)
    _refuse_foreign_names(prices)
    limits, count = profile.optimization, len(prices.symbols)
    if limits.infeasible_caps == "stop" and count * limits.symbol_caps.normal < 1.0:
        raise ConfigError(
            f"{count} symbols at most {limits.symbol_caps.normal} each sum to "
            f"{count * limits.symbol_caps.normal:.4g}, expected at least 1",
            where="optimization.symbol_caps.normal",
            why="weights sum to 1, and infeasible_caps is `stop`",
            fix=f"raise the cap to {1.0 / count:.4g} or more, add symbols, or set "
            "optimization.infeasible_caps to `relax` or `cash`",
        )


def _refuse_constants(prices: Panel) -> None:
    """Refuse symbols whose price is the same on every day: a file that was filled, not a market."""
    lowest, highest = np.nanmin(prices.closes, axis=0), np.nanmax(prices.closes, axis=0)
    constant = [prices.symbols[i] for i in np.flatnonzero(lowest == highest)]
    if constant:
        raise DataError(
            f"the price never changes: {', '.join(constant[:6])}",
            where=f"{len(constant)} of {len(prices.symbols)} symbols, all {len(prices.dates)} days",
            why="a symbol without variance has no risk to weigh; its file was probably filled",
            fix="repair the prices, or leave the symbols out with data.source.symbols",
        )


def _refuse_foreign_names(prices: Panel) -> None:
    """Refuse symbols that cannot be keys of a record."""
    foreign = [symbol for symbol in prices.symbols if not symbol.isascii()]
    if foreign:
        raise DataError(
            f"the name of a symbol is not ASCII: {foreign[0]!r}",
            where=f"{len(foreign)} of {len(prices.symbols)} symbols",
            why="symbols are keys of records, which keep to ASCII so that all readers sort alike",
            fix="rename the symbol in the file, or leave it out with data.source.symbols",
        )


def ingest(session: Session, results: Results, name: str, profile: RunProfile, bars: Bars) -> Track:
    """Keep the bars of a sleeve as a blob, record them, and return the sleeve's track."""
    content = to_snapshot(bars)
    snapshot = session.recorder.blobs.put(content)
    params = cast("Payload", profile.data.model_dump(mode="json"))
    intent = Intent(step="ingest", sleeve=name, params=params, seed=profile.seed)
    planned = Planned(intent, bars=content)
    (outcome,) = decide_batch(session.recorder, results, [planned], {"snapshot": snapshot})
    described, _ = results.get(outcome.id)
    field = cast("str", described["price_field"])
    return Track(
        name=name,
        profile=profile,
        panel=panel_of(bars, field),
        snapshot=snapshot,
        price_field=field,
        periods_per_year=cast("int", described["periods_per_year"]),
        decision_id=session.recorder.decision_id,
    )

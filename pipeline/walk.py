"""The walk of one decision: every stage in order, each as recorded inputs -> recorded result.

`decide` is called by the flows when a decision is taken and by `replay` when it is taken again, so
both run the same code on the same bytes. It knows no ledger: rows of a snapshot and upstream
results come in as values, a payload goes out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np

from pipeline.config import (
    DataParams,
    MetaParams,
    OptimizationParams,
    RegimeParams,
    SelectionParams,
    SimulationParams,
    TournamentParams,
)
from pipeline.errors import ConfigError, GateClosedError
from pipeline.values import Holdings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pipeline.config import RegimeName
    from pipeline.ingestion.health import HealthReport
    from pipeline.meta.sleeves import Composition
    from pipeline.records import Intent
    from pipeline.selection.clusters import ClusterSpec
    from pipeline.selection.synthesis import Selection
    from pipeline.values import Panel, Payload


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Evidence:
    """The inputs that an intent names, loaded and checked by the caller.

    Attributes
    ----------
    panel : Panel or None
        The rows of `intent.rows`.
    results : mapping of str to payload
        Role -> result of the upstream decision.
    series : mapping of str to sequence of payloads
        Role -> results of all decisions that an upstream prefix (`...*`) stands for, in order.
    bars : bytes or None
        For `ingest`: the snapshot blob.
    """

    panel: Panel | None = None
    results: Mapping[str, Payload] = field(default_factory=dict)
    series: Mapping[str, Sequence[Payload]] = field(default_factory=dict)
    bars: bytes | None = None


def decide(intent: Intent, evidence: Evidence) -> Payload:
    """Take the decision `intent` describes and return its result.

    Parameters
    ----------
    intent : Intent
        Stage, version, parameters, seed.
    evidence : Evidence
        The inputs named by the intent.

    Returns
    -------
    dict
        The `result` of the outcome record (`docs/spec/records.md`).

    Raises
    ------
    ConfigError
        If this code has no such stage or version of it.
    PipelineError
        Whatever the stage raises; the caller records it as a failed outcome.
    """
    stage = STAGES.get((intent.step, intent.version))
    if stage is None:
        known = ", ".join(f"{step}@{version}" for step, version in sorted(STAGES))
        raise ConfigError(
            f"no stage {intent.step}@{intent.version}; this code has {known}",
            where=f"decision {intent.ordinal}",
            why="a decision is replayed by the stage and version that took it",
            fix="check out the commit that the run recorded, and replay there",
        )
    return stage(intent, evidence)


def _ingest(intent: Intent, evidence: Evidence) -> Payload:
    """Describe the snapshot: what a reader of the blob finds again."""
    from pipeline.ingestion.snapshot import describe, from_snapshot  # noqa: PLC0415 - pyarrow

    bars = from_snapshot(_given(evidence.bars, intent, "the snapshot blob"))
    return describe(bars, DataParams.model_validate(intent.params)).to_payload()


def _assess(intent: Intent, evidence: Evidence) -> Payload:
    from pipeline.ingestion.calendars import open_calendar  # noqa: PLC0415 - exchange_calendars
    from pipeline.ingestion.health import assess  # noqa: PLC0415

    params = DataParams.model_validate(intent.params)
    panel = _given(evidence.panel, intent, "rows of the snapshot")
    day = np.datetime64(_given(intent.as_of, intent, "a decision date"), "D")
    return assess(panel, day, open_calendar(params.calendar), params).to_payload()


def _detect(intent: Intent, evidence: Evidence) -> Payload:
    from pipeline.regime.detector import detect  # noqa: PLC0415 - hmmlearn

    panel = _given(evidence.panel, intent, "rows of the snapshot")
    if "health" in evidence.results:
        panel = panel.columns(_usable(evidence.results["health"]))
    params = RegimeParams.model_validate(intent.params)
    return detect(panel.returns(), params, intent.seed).to_payload()


def _select(intent: Intent, evidence: Evidence) -> Payload:
    from pipeline.selection.funnel import select  # noqa: PLC0415 - scipy

    params, periods = _with_periods(intent.params)
    return select(
        _given(evidence.panel, intent, "rows of the snapshot"),
        _usable(evidence.results["health"]),
        SelectionParams.model_validate(params),
        periods,
        intent.seed,
    ).to_payload()


def _optimize(intent: Intent, evidence: Evidence) -> Payload:
    from pipeline.fingerprint import panel_digest  # noqa: PLC0415
    from pipeline.optimization.optimize import optimize  # noqa: PLC0415 - solvers

    params, periods = _with_periods(intent.params)
    chosen, clusters = candidates(intent, evidence)
    book = evidence.results.get("holdings")
    solution = optimize(
        chosen.returns(),
        clusters,
        cast("RegimeName", evidence.results["regime"]["regime"]),
        _given(intent.cell, intent, "an engine and a risk profile"),
        OptimizationParams.model_validate(params),
        periods_per_year=periods,
        seed=intent.seed,
        quadrant=cast("str | None", evidence.results["regime"].get("quadrant")),
        holdings=None
        if book is None
        else Holdings.from_payload(cast("Payload", book["holdings_end"])),
    )
    found = {**solution.to_payload(), "as_of": intent.as_of, "slice_sha256": panel_digest(chosen)}
    if "trading" not in intent.params:
        # Recorded before results named their clusters: a replay gives what was recorded.
        return found
    return {**found, "clusters_sha256": _spec(evidence, clusters).sha256}


def _spec(evidence: Evidence, clusters: Mapping[int, Sequence[str]]) -> ClusterSpec:
    """Return the clusters of the window: those of the selection, or each sleeve its own."""
    from pipeline.selection.clusters import ClusterSpec  # noqa: PLC0415 - scipy
    from pipeline.selection.synthesis import Selection  # noqa: PLC0415 - scipy

    if "selection" in evidence.results:
        return Selection.from_payload(evidence.results["selection"]).spec
    return ClusterSpec.of(clusters)


def _with_clusters(result: Payload, upstream: Payload) -> Payload:
    """Return `result` with the clusters that its upstream decision was taken with."""
    if "clusters_sha256" not in upstream:
        return result
    return {**result, "clusters_sha256": upstream["clusters_sha256"]}


def candidates(intent: Intent, evidence: Evidence) -> tuple[Panel, dict[int, tuple[str, ...]]]:
    """Return the rows and clusters that an `optimize` decision weighs.

    With them and the result `replay.certificate.certify` confirms the weights.

    Raises
    ------
    DataError
        If the clusters are not those whose digest the selection recorded.
    """
    from pipeline.selection.synthesis import Selection  # noqa: PLC0415 - scipy

    panel = _given(evidence.panel, intent, "rows of the snapshot")
    cell = _given(intent.cell, intent, "an engine and a risk profile")
    if "selection" in evidence.results:
        selection = Selection.from_payload(evidence.results["selection"])
        symbols, clusters = selection.selected, dict(selection.spec.checked().clusters)
        if cell.risk_profile == "market":
            declared = cast("Sequence[str]", intent.params["benchmark_symbols"])
            symbols, clusters = _with_benchmark(selection, declared)
    else:
        # The sleeves of a meta-portfolio: all are held, each is its own cluster.
        symbols = panel.symbols
        clusters = {i + 1: (symbol,) for i, symbol in enumerate(symbols)}
    held = {k: kept for k, v in clusters.items() if (kept := tuple(s for s in v if s in symbols))}
    return panel.columns(symbols), held


def _with_benchmark(
    selection: Selection, declared: Sequence[str]
) -> tuple[tuple[str, ...], dict[int, tuple[str, ...]]]:
    """Return symbols and clusters with the benchmark symbols that are usable, selected or not.

    The market is held whatever the selection thinks of it; a symbol that was vetoed and is in no
    cluster is a cluster of its own.
    """
    usable = [symbol for symbol in declared if symbol in selection.universe]
    clustered = {symbol for members in selection.clusters.values() for symbol in members}
    clusters = {number: tuple(members) for number, members in selection.clusters.items()}
    for symbol in sorted(set(usable) - clustered):
        clusters[max(clusters, default=0) + 1] = (symbol,)
    return tuple(sorted({*selection.selected, *usable})), clusters


def _rebalance(intent: Intent, evidence: Evidence) -> Payload:
    from pipeline.rebalance import rebalance  # noqa: PLC0415

    params = SimulationParams.model_validate(intent.params)
    weights = evidence.results["weights"]
    targets = cast("dict[str, float]", weights["weights"])
    holdings, _ = _carried(evidence, params)
    return _with_clusters(rebalance(holdings, targets, intent.as_of, params).to_payload(), weights)


def _simulate(intent: Intent, evidence: Evidence) -> Payload:
    from pipeline.simulation.simulators.vectorized import simulate  # noqa: PLC0415

    params = SimulationParams.model_validate(intent.params)
    holdings, liquidated_at = _carried(evidence, params)
    trades = evidence.results["trades"]
    targets = cast("dict[str, float]", trades["targets"])
    simulated = simulate(
        _given(evidence.panel, intent, "rows of the snapshot"),
        holdings,
        targets,
        params,
        initial_nav=params.initial_nav,
        liquidated_at=liquidated_at,
        as_of=trades["as_of"],
    ).to_payload()
    return _with_clusters(simulated, trades)


def _measure(intent: Intent, evidence: Evidence) -> Payload:
    from pipeline.simulation.metrics import measure, stitch  # noqa: PLC0415

    _, periods = _with_periods(intent.params)
    return measure(stitch(evidence.series["simulations"]), periods).to_payload()


def _compose(intent: Intent, evidence: Evidence) -> Payload:
    return compose_sleeves(intent, evidence).to_payload()


def compose_sleeves(intent: Intent, evidence: Evidence) -> Composition:
    """Return the sleeves joined to a panel; its payload is the result of `compose`."""
    from pipeline.meta.sleeves import SleeveCalendar, compose  # noqa: PLC0415

    calendars = cast("dict[str, dict[str, str]]", intent.params["calendars"])
    return compose(
        evidence.series,
        MetaParams.model_validate(intent.params["meta"]),
        {
            sleeve: SleeveCalendar(int(found["periods_per_year"]), found["name"])
            for sleeve, found in sorted(calendars.items())
        },
    )


def _flatten(intent: Intent, evidence: Evidence) -> Payload:
    from pipeline.meta.flatten import flatten  # noqa: PLC0415
    from pipeline.meta.sleeves import weights_of  # noqa: PLC0415

    top = cast("dict[str, float]", evidence.results["weights"]["weights"])
    sleeves = {
        role.removeprefix("sleeve."): weights_of(result)
        for role, result in sorted(evidence.results.items())
        if role.startswith("sleeve.")
    }
    return flatten(top, sleeves, as_of=intent.as_of).to_payload()


def _trial(intent: Intent, evidence: Evidence) -> Payload:
    from pipeline.trials import judge  # noqa: PLC0415

    params, periods = _with_periods(intent.params)
    windows = cast("int", params["windows"])
    return judge(evidence.series["simulations"], evidence.series["weights"], windows, periods)


def _score(intent: Intent, evidence: Evidence) -> Payload:
    from pipeline.trials import score  # noqa: PLC0415

    return score(
        {role.removeprefix("trial."): found for role, found in evidence.results.items()},
        {role.removeprefix("simulations."): found for role, found in evidence.series.items()},
        cast("Sequence[Payload]", intent.params["failed"]),
        cast("int", intent.params["tried"]),
        TournamentParams.model_validate(intent.params["tournament"]),
    )


def _given(value: T | None, intent: Intent, what: str) -> T:
    if value is None:
        raise ConfigError(
            f"{intent.step} needs {what}, the intent names none",
            where=f"decision {intent.ordinal}",
            why="a stage computes from recorded inputs only",
            fix="record the input with the intent",
        )
    return value


def _usable(health: Payload) -> tuple[str, ...]:
    """Return the symbols that may be used, if the gate is open."""
    return check_gate(health).usable


def check_gate(health: Payload) -> HealthReport:
    """Return the report of an `assess` result whose gate is open.

    Raises
    ------
    GateClosedError
        If the gate is closed: the window is not decided.
    """
    from pipeline.ingestion.health import HealthReport  # noqa: PLC0415

    report = HealthReport.from_payload(health)
    if report.gate == "open":
        return report
    sick = [f"{row.symbol} {row.status}" for row in report.rows if row.status not in _USABLE]
    more = f" and {len(sick) - _NAMED} more" if len(sick) > _NAMED else ""
    raise GateClosedError(
        f"the health gate is closed on {report.as_of}: "
        + (", ".join(sick[:_NAMED]) + more if sick else "fewer than two symbols are usable"),
        where=f"assess, {report.as_of}, {len(report.usable)} symbols usable",
        why="strict_health stops at a stale or degraded symbol; fewer than two usable symbols stop "
        "every run",
        fix="repair or leave out the symbols named (data.source.symbols, data.source.first_date), "
        "or set data.strict_health to false to go on without them; `assay show` the assess "
        "decision for values and limits",
    )


_NAMED = 6
_USABLE = ("ok", "closed", "missing", "dropped")
"""Statuses that close no gate."""


def _with_periods(params: Payload) -> tuple[Payload, int]:
    """Split `periods_per_year` (from the calendar) off the parameters of the manifest."""
    rest = {key: value for key, value in params.items() if key != "periods_per_year"}
    return rest, cast("int", params["periods_per_year"])


def _carried(evidence: Evidence, params: SimulationParams) -> tuple[Holdings, str | None]:
    """Return the holdings carried into a window and whether the book was liquidated before."""
    before = evidence.results.get("holdings")
    if before is None:
        return Holdings(cash=params.initial_nav, positions={}), None
    holdings = Holdings.from_payload(cast("Payload", before["holdings_end"]))
    return holdings, cast("str | None", before["liquidated_at"])


STAGES: Mapping[tuple[str, int], Callable[[Intent, Evidence], Payload]] = {
    ("ingest", 1): _ingest,
    ("assess", 1): _assess,
    ("detect", 1): _detect,
    ("select", 1): _select,
    ("optimize", 1): _optimize,
    ("rebalance", 1): _rebalance,
    ("simulate", 1): _simulate,
    ("measure", 1): _measure,
    ("compose", 1): _compose,
    ("flatten", 1): _flatten,
    ("trial", 1): _trial,
    ("score", 1): _score,
}
"""Step and version -> the function that decides."""

"""Runs one profile: the one function behind the command line and the Prefect flows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from flows.backtest import backtest
from flows.errors import UsageError
from flows.ingestion import read_prices
from flows.rebalance import UNTIL, decide_date
from flows.session import open_session

if TYPE_CHECKING:
    from collections.abc import Callable

    from flows.batch import Results
    from flows.manifest import Resolved
    from flows.runner import Runner
    from flows.session import Session
    from flows.settings import Settings
    from ledger import Checkpoint
    from pipeline.values import Payload

KINDS = (*UNTIL, "backtest")
"""What can be run: a stage and all before it for one date, or the walk-forward."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """How a run ended.

    Attributes
    ----------
    run_id, kind, profile : str
        What ran.
    intents, outcomes : int
        Decisions recorded.
    recording_seconds : float
        Time spent in the ledger.
    checkpoint : Checkpoint
        Signed at the end.
    head : str
        Hash of the last record.
    results : mapping of str to payload
        Results worth showing: `measure`, `compose`; for one date also `rebalance` or `optimize`.
    """

    run_id: str
    kind: str
    profile: str
    intents: int
    outcomes: int
    recording_seconds: float
    checkpoint: Checkpoint
    head: str
    results: dict[str, Payload]


SHOWN = ("measure", "compose", "rebalance", "assess", "detect", "score")
"""Steps whose results are part of the summary."""


def execute(
    settings: Settings,
    resolved: Resolved,
    runner: Runner,
    *,
    kind: str,
    as_of: str | None = None,
    progress: Callable[[str, int, int], None] = lambda _stage, _done, _total: None,
    jobs: int = 1,
) -> RunSummary:
    """Run a profile and record it.

    Parameters
    ----------
    settings, resolved, runner
        Where, what, and how the steps are called.
    kind : str
        One of `KINDS`.
    as_of : str, optional
        Decision date for every kind but `backtest`.
    progress : callable
        `progress(stage, done, total)` after each batch.
    jobs : int
        Processes that decide side by side; what is recorded does not depend on it.

    Raises
    ------
    UsageError
        For an unknown kind.
    PipelineError, LedgerError, ReplayError
        Whatever stops the run; it is recorded before it is raised.
    """
    if kind not in KINDS:
        raise UsageError(
            f"unknown stage {kind!r}",
            where="assay run",
            why=f"stages are {', '.join(KINDS)}",
            fix="name one of them",
        )
    _check_date(kind, as_of)
    if kind == "rebalance" and resolved.profile.sleeves:
        raise UsageError(
            "a meta-portfolio cannot be rebalanced on one date",
            where=f"profile {resolved.name}",
            why="the weights of sleeves are learned from their walk-forward",
            fix="rebalance each sleeve's profile, or run `assay run backtest` for the combination",
        )
    prices = read_prices(resolved, runner)
    with open_session(
        settings, resolved, runner, kind=kind, progress=progress, jobs=jobs
    ) as session:
        if kind == "backtest":
            results = backtest(session, prices)
        else:
            results = decide_date(session, prices, kind, as_of)
    return summarize(session, kind, results)


def summarize(session: Session, kind: str, results: Results) -> RunSummary:
    """Return how a run that was closed has ended."""
    recorder = session.recorder
    counts = recorder.counts
    assert recorder.checkpoint is not None  # noqa: S101 - set when the run closed
    return RunSummary(
        recorder.run_id,
        kind,
        session.resolved.name,
        counts.intents,
        counts.outcomes,
        counts.seconds,
        recorder.checkpoint,
        recorder.head,
        {
            id_: result
            for id_, result in results.of_steps(SHOWN).items()
            if id_.startswith(f"{recorder.run_id}/")
        },
    )


def _check_date(kind: str, as_of: str | None) -> None:
    """Refuse a decision date that is none, or that the kind of run has no use for."""
    if as_of is None:
        return
    if kind == "backtest":
        raise UsageError(
            "a backtest has no decision date",
            where=f"--as-of {as_of}",
            why="it walks through all dates of its prices",
            fix="cut the prices with --set data.source.last_date=YYYY-MM-DD, or name a stage: "
            "`assay run rebalance --as-of YYYY-MM-DD`",
        )
    try:
        date.fromisoformat(as_of)
    except ValueError as error:
        raise UsageError(
            f"not a date: {as_of!r}",
            where="--as-of",
            why=str(error),
            fix="write it as YYYY-MM-DD",
        ) from error

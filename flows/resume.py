"""Going on with a run that ended before it was done.

What an earlier attempt decided is taken from the ledger and not computed again; what was aborted
gets a further attempt under its own id. The run keeps its id, its manifest and its prices; its
environment must still be the one it was opened in.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from flows.audit import load_history
from flows.batch import Results
from flows.errors import FlowError
from flows.manifest import Resolved
from flows.recorder import Encoded, Outcome, Recorder, close_dead_runs, running
from flows.session import Session, closing, open_ledger
from ledger import loads
from pipeline.config import RunProfile
from pipeline.ingestion.snapshot import from_snapshot
from replay.environment import capture, compare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from flows.runner import Runner
    from flows.settings import Settings
    from ledger import Record
    from pipeline.ingestion.source import Bars
    from pipeline.values import Payload
    from replay.history import History


class NotResumableError(FlowError):
    """A run cannot go on: it is done, it is running, or it stood on something else."""

    code = "E0423"


class ResumedResults(Results):
    """Results of a run that goes on: those recorded are read from the ledger when asked for.

    Parameters
    ----------
    history : History
        All that was recorded when the run was taken up again.
    """

    def __init__(self, history: History) -> None:
        super().__init__()
        self._history = history

    def recorded(self, id_: str) -> Outcome | None:
        """Return the outcome that an earlier attempt left, its result kept as `add` would."""
        decision = self._history.get(id_)
        outcome = None if decision is None else decision.outcome
        if outcome is None or outcome.status == "aborted":
            return None
        if outcome.status == "failed":
            error = cast("dict[str, str]", outcome.data["error"])
            return Outcome(id_, outcome.step, "failed", error=error)
        result, sha256 = self._history.result(id_)
        self.keep(id_, result, sha256)
        return Outcome(id_, outcome.step, "ok", Encoded.of(result))


@contextmanager
def resumed(
    settings: Settings,
    text: str,
    runner: Runner,
    *,
    kind: str,
    jobs: int,
    progress: Callable[[str, int, int], None],
) -> Iterator[tuple[Session, dict[str, Bars], ResumedResults]]:
    """Open a run of `kind` again and yield its session, its prices and its results.

    Parameters
    ----------
    text : str
        The id of the run, or its beginning or end.

    Raises
    ------
    NotResumableError
        If the run is done, alive, of another kind, or stood on another environment.
    """
    workspace = settings.find_workspace()
    log, key = open_ledger(workspace)
    with log:
        close_dead_runs(workspace, log, settings.actor)
        history = load_history(workspace)
        opening = history.run(text)
        run_id = opening.run_id
        _refuse(opening, kind, done=_is_done(workspace.ledger, run_id))
        if run_id in running(workspace):
            raise _not_resumable(run_id, "it is running", "one process at a time adds to a run")
        prices = _prices(history, opening)
        recorder = Recorder.reopen(
            workspace,
            log,
            key,
            run_id=run_id,
            actor=settings.actor,
            data={"environment": capture().to_payload()},
        )
        with closing(recorder):
            recorder.observed.update(runner.opened(run_id))
            resolved = _resolved(history, opening, settings.cwd)
            session = Session(settings, workspace, resolved, recorder, runner, progress, jobs)
            yield session, prices, ResumedResults(history)


def _is_done(ledger: Path, run_id: str) -> bool:
    from ledger import read_records  # noqa: PLC0415

    return any(
        record.run_id == run_id and record.type == "run" and record.status == "ok"
        for record in read_records(ledger)
    )


def _refuse(opening: Record, kind: str, *, done: bool) -> None:
    run_id, found = opening.run_id, cast("Payload", opening.data)
    if found["kind"] != kind:
        raise _not_resumable(run_id, f"it is a {found['kind']}", f"only a {kind} goes on")
    if done:
        raise _not_resumable(run_id, "it is done", "every decision of it has its outcome")
    recorded, present = cast("Payload", found["environment"]), capture().to_payload()
    # Which BLAS were loaded when it was looked at depends on what was imported before.
    differences = compare({**recorded, "blas": None}, {**present, "blas": None})
    if differences:
        raise _not_resumable(
            run_id,
            "its environment was another: " + "; ".join(differences),
            "one run is one state of the code",
        )


def _not_resumable(run_id: str, what: str, why: str) -> NotResumableError:
    return NotResumableError(
        f"{run_id} cannot go on: {what}",
        where="--resume",
        why=why,
        fix="start a new one; `assay log --type run` lists what there is",
    )


def _resolved(history: History, opening: Record, base: Path) -> Resolved:
    """Return the manifest as the run recorded it."""
    document = cast("Payload", loads(history.blobs.get(opening.inputs["manifest"])))
    sleeves = cast("dict[str, Payload]", document["sleeves"])
    return Resolved(
        cast("str", document["profile"]),
        RunProfile.model_validate(document["resolved"]),
        {name: RunProfile.model_validate(sleeve) for name, sleeve in sleeves.items()},
        {},
        base,
    )


def _prices(history: History, opening: Record) -> dict[str, Bars]:
    """Return the prices that the run has recorded, by sleeve."""
    found = {}
    for sleeve in cast("list[str]", opening.data["sleeves"]):
        decision = history.get(f"{opening.run_id}/ingest/{sleeve}/1")
        if decision is None or decision.outcome is None or decision.outcome.status != "ok":
            raise _not_resumable(opening.run_id, f"{sleeve} has no prices", "nothing was decided")
        found[sleeve] = from_snapshot(history.blobs.get(decision.intent.inputs["snapshot"]))
    return found

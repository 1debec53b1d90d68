"""Verification and replay as recorded runs: what a night's audit does.

Decisions are replayed, and their certificates checked, in a fresh process, so nothing that an
earlier decision left in memory can help; the verdicts come back one line each and are recorded in
batches.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, cast

from flows.errors import UsageError
from flows.recorder import Encoded, Outcome
from flows.session import recording
from flows.settings import ONE_THREAD, child_environment
from ledger import BlobStore, read_records
from pipeline.records import STEPS, Intent
from replay.certification import Certification
from replay.comparison import Comparison
from replay.environment import CHECKOUT, capture, compare
from replay.history import History

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from flows.settings import Settings, Workspace
    from pipeline.values import Json, Payload

BATCH_DECISIONS = 100
"""Verdicts recorded together; their ids fit into one line of the ledger."""


def load_history(workspace: Workspace) -> History:
    """Return everything recorded about decisions."""
    return History(read_records(workspace.ledger), BlobStore(workspace.blobs))


def choose(
    history: History,
    *,
    text: str | None = None,
    run_id: str | None = None,
    every: bool = False,
    last: bool = False,
    sample: int | None = None,
    seed: int = 0,
    steps: Sequence[str] = STEPS,
    command: str = "replay",
) -> list[str]:
    """Return the ids of the decisions to replay, in the order they were recorded.

    Parameters
    ----------
    history : History
        The recorded decisions.
    text : str, optional
        An id or a unique part of one.
    run_id : str, optional
        All decisions of a run, named by its id or a unique beginning of it.
    every, last : bool
        All decisions; the last one.
    sample, seed : int
        So many decisions drawn with this seed.
    steps : sequence of str
        Steps that count.
    command : str
        Who asks, for the error.

    Raises
    ------
    UsageError
        If nothing, or an unknown run, was asked for, or two choices exclude each other.
    """
    _refuse_contradictions(command, text, run_id, every=every, last=last, sample=sample)
    if text is not None:
        return [_named(history, text, command)]
    ids = decided(history, run_id, steps)
    if last:
        return ids[-1:]
    if sample is not None:
        return draw(ids, sample, seed)
    if every or run_id is not None:
        return ids
    raise UsageError(
        f"nothing to {command} was named",
        where=f"assay {command}",
        why=f"a {command} needs an ID, --run, --all, --last or --sample",
        fix=f"run `assay {command} --last`, or `assay log` to find an id",
    )


def decided(
    history: History, run_id: str | None, steps: Sequence[str] = STEPS, *, taken: bool = True
) -> list[str]:
    """Return the decisions of `steps` that were taken, or those that never were.

    Parameters
    ----------
    history : History
        The recorded decisions.
    run_id : str or None
        A run, named by its id or a unique beginning of it; None for all.
    steps : sequence of str
        Steps that count.
    taken : bool
        With False: what was aborted or has no outcome, which nobody can take again.
    """
    chosen = None if run_id is None else _find_run(history, run_id)
    ids = [id_ for id_ in history.decisions(chosen) if id_.split("/")[1] in steps]
    return [id_ for id_ in ids if history.was_decided(id_) is taken]


def _named(history: History, text: str, command: str) -> str:
    id_ = history.find(text)
    if history.was_decided(id_):
        return id_
    raise UsageError(
        f"{id_} was never decided",
        where=f"assay {command}",
        why="it was aborted or has no outcome yet, so there is nothing to compare with",
        fix=f"`assay show {id_}` says why; name a decision with an outcome",
    )


def _refuse_contradictions(
    command: str,
    text: str | None,
    run_id: str | None,
    *,
    every: bool,
    last: bool,
    sample: int | None,
) -> None:
    """Refuse two ways to choose at once; --run goes with --sample and --last."""
    asked = {"ID": text is not None, "--all": every, "--last": last, "--sample": sample is not None}
    chosen = [name for name, given in asked.items() if given]
    if run_id is not None and (text is not None or every):
        chosen.append("--run")
    if len(chosen) > 1:
        raise UsageError(
            f"{' and '.join(chosen)} exclude each other",
            where=f"assay {command}",
            why="each of them says which decisions are meant",
            fix="keep one of them; --run may stand beside --sample or --last",
        )


def draw(ids: Sequence[str], count: int, seed: int) -> list[str]:
    """Return `count` of `ids` without repetition, in their order, drawn with `seed`."""
    import numpy as np  # noqa: PLC0415 - 0.1 s that `choose` by id does not need

    generator = np.random.Generator(np.random.PCG64(seed))
    size = min(count, len(ids))
    return [ids[i] for i in sorted(generator.choice(len(ids), size=size, replace=False).tolist())]


def _find_run(history: History, text: str) -> str:
    matches = [run_id for run_id in history.runs if run_id.startswith(text)]
    if len(matches) != 1:
        raise UsageError(
            f"{len(matches)} runs match {text!r}, expected one",
            where="--run",
            why="a run is named by its id or a unique beginning of it",
            fix="`assay status` lists the last runs",
        )
    return matches[0]


def replay(
    settings: Settings,
    ids: Sequence[str],
    progress: Callable[[str, int, int], None] = lambda _stage, _done, _total: None,
) -> list[Comparison]:
    """Replay decisions in a fresh process and record every verdict.

    Returns
    -------
    list of Comparison
        In the order of `ids`.
    """
    workspace = settings.find_workspace()
    history = load_history(workspace)
    comparisons: list[Comparison] = []
    with recording(settings, kind="replay", name="replay") as recorder:
        verdicts = map(Comparison.from_payload, _verdicts(workspace, ids, "replay"))
        for number, start in enumerate(range(0, len(ids), BATCH_DECISIONS)):
            batch = list(ids[start : start + BATCH_DECISIONS])
            window: Payload = {"ordinal": number}
            params: Payload = {"decisions": cast("list[Json]", batch)}
            intent = Intent(step="replay", sleeve="replay", window=window, params=params)
            (id_,) = recorder.intend([intent])
            found = [next(verdicts) for _ in batch]
            result: Payload = {
                "environment_differences": cast("Json", _differences(history, batch)),
                "verdicts": [comparison.to_payload() for comparison in found],
            }
            recorder.conclude([Outcome(id_, "replay", "ok", Encoded.of(result))])
            comparisons.extend(found)
            progress("replay", len(comparisons), len(ids))
    return comparisons


def _differences(history: History, batch: Sequence[str]) -> list[str]:
    """Return how the environments of the runs replayed differ from the present one."""
    present = capture().to_payload()
    runs = sorted({id_.partition("/")[0] for id_ in batch})
    return sorted({line for run_id in runs for line in _differences_of(history, run_id, present)})


def _differences_of(history: History, run_id: str, present: Payload) -> list[str]:
    opening = history.runs.get(run_id)
    if opening is None:
        return [f"{run_id}: its opening record is not there or was erased"]
    return compare(cast("Payload", opening.data["environment"]), present)


def certify(
    settings: Settings,
    ids: Sequence[str],
    progress: Callable[[str, int, int], None] = lambda _stage, _done, _total: None,
) -> list[Certification]:
    """Check the certificates of decisions in a fresh process and record every verdict.

    Parameters
    ----------
    ids : sequence of str
        `optimize` decisions with a result.

    Returns
    -------
    list of Certification
        In the order of `ids`.
    """
    workspace = settings.find_workspace()
    certifications: list[Certification] = []
    with recording(settings, kind="certify", name="certify") as recorder:
        verdicts = map(Certification.from_payload, _verdicts(workspace, ids, "certify"))
        for number, start in enumerate(range(0, len(ids), BATCH_DECISIONS)):
            batch = list(ids[start : start + BATCH_DECISIONS])
            params: Payload = {"decisions": cast("list[Json]", batch)}
            window: Payload = {"ordinal": number}
            intent = Intent(step="certify", sleeve="certify", window=window, params=params)
            (id_,) = recorder.intend([intent])
            found = [next(verdicts) for _ in batch]
            result: Payload = {"verdicts": [verdict.to_payload() for verdict in found]}
            recorder.conclude([Outcome(id_, "certify", "ok", Encoded.of(result))])
            certifications.extend(found)
            progress("certify", len(certifications), len(ids))
    return certifications


def _verdicts(workspace: Workspace, ids: Sequence[str], task: str) -> Iterator[Payload]:
    """Yield what a fresh process says about each decision, in order."""
    command = [
        sys.executable,
        "-m",
        "replay",
        task,
        "--ledger",
        str(workspace.ledger),
        "--blobs",
        str(workspace.blobs),
    ]
    with subprocess.Popen(  # noqa: S603 - our own module
        command,
        cwd=CHECKOUT,
        env=child_environment(ONE_THREAD),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None  # noqa: S101 - asked for above
        assert process.stdout is not None  # noqa: S101
        process.stdin.write("\n".join(ids))
        process.stdin.close()
        count = 0
        for line in process.stdout:
            count += 1
            yield json.loads(line)
    if count < len(ids):
        raise UsageError(
            f"the process ended after {count} of {len(ids)} decisions ({task})",
            where=f"exit code {process.returncode}",
            why="its message stands above",
            fix="solve what it names and start again",
        )

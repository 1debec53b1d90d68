"""Verification and replay as recorded runs: what a night's audit does.

Decisions are replayed in a fresh process, so nothing that an earlier decision left in memory can
help; the verdicts come back one line each and are recorded in batches.
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

    Raises
    ------
    UsageError
        If nothing, or an unknown run, was asked for.
    """
    if text is not None:
        return [history.find(text)]
    chosen = None if run_id is None else _find_run(history, run_id)
    ids = [id_ for id_ in history.decisions(chosen) if id_.split("/")[1] in STEPS]
    if last:
        return ids[-1:]
    if sample is not None:
        return draw(ids, sample, seed)
    if every or chosen is not None:
        return ids
    raise UsageError(
        "nothing to replay was named",
        where="assay replay",
        why="a replay needs an ID, --run, --all, --last or --sample",
        fix="run `assay replay --last`, or `assay log` to find an id",
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
        verdicts = _verdicts(workspace, ids)
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
    return sorted(
        {
            line
            for run_id in runs
            for line in compare(cast("Payload", history.runs[run_id].data["environment"]), present)
        }
    )


def _verdicts(workspace: Workspace, ids: Sequence[str]) -> Iterator[Comparison]:
    """Yield the verdicts of a fresh process, in order."""
    command = [
        sys.executable,
        "-m",
        "replay",
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
            yield Comparison.from_payload(json.loads(line))
    if count < len(ids):
        raise UsageError(
            f"the replaying process ended after {count} of {len(ids)} decisions",
            where=f"exit code {process.returncode}",
            why="its message stands above",
            fix="solve what it names and replay again",
        )

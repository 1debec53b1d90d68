"""Worker processes that take the decisions of a batch side by side.

A worker gets what a replay would get: the intent as it is recorded, the digest of the snapshot, and
the results that the intent names; it answers with the canonical bytes of the result. The parent
appends everything in the order of the plan, so the ledger does not depend on who finished first.

Tasks are coarse: the windows of what all cells share, then the chain of windows of one cell, whose
holdings carry over. A worker ends when its standard input does, also when the parent was killed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from itertools import groupby
from queue import SimpleQueue
from typing import IO, TYPE_CHECKING, TypeAlias, cast

from flows.batch import Taken
from flows.errors import FlowError
from flows.recorder import Encoded, Outcome
from flows.settings import ONE_THREAD, child_environment
from replay.environment import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Self

    from flows.batch import Pairs, Planned, Results
    from ledger import Digest
    from pipeline.values import Payload

Task: TypeAlias = "list[tuple[str, Planned]]"
"""Decisions that one worker takes one after the other."""

CHUNKS = 2
"""Tasks for each worker that the windows of a batch are cut into."""

END_SECONDS = 10.0
"""How long a worker may take to end when there is nothing more to do."""


class WorkerError(FlowError):
    """A worker process ended, or answered what it should not."""

    code = "E0421"
    exit_code = 70


class DecisionError(FlowError):
    """A decision failed in a worker; code and exit code are those of the error there."""

    code = "E0422"

    @classmethod
    def told(cls, error: Mapping[str, str], exit_code: int) -> Self:
        """Return the error that a worker met."""
        parts = {name: error[name] for name in ("where", "why", "fix")}
        found = cls(error["what"], **parts)
        found.code, found.exit_code = error["code"], exit_code
        return found


class Worker:
    """One worker process and what it was told so far.

    Parameters
    ----------
    blobs : Path
        The blob store that snapshots are read from.
    """

    def __init__(self, blobs: Path) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "flows.worker", str(blobs.resolve())],
            cwd=CHECKOUT,
            env=child_environment(ONE_THREAD),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._known: set[str] = set()

    def forget(self) -> None:
        """Let the worker forget what it was told: results of earlier batches."""
        self._send({"forget": True})
        self._known.clear()

    def take(self, task: Task, inputs: Mapping[str, Digest], results: Results) -> list[Taken]:
        """Let the worker take the decisions of a task, up to the first failure."""
        self._send({"keep": self._news(task, results)})
        wanted = [[id_, planned.intent.to_payload()] for id_, planned in task]
        self._send({"task": wanted, "snapshot": inputs.get("snapshot")})
        taken = []
        for id_, planned in task:
            found = self._answer(id_, planned, results)
            taken.append(found)
            if found.error is not None:
                break
        return taken

    def close(self) -> None:
        """End the process."""
        with suppress(BrokenPipeError):
            cast("IO[bytes]", self._process.stdin).close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        cast("IO[bytes]", self._process.stdout).close()

    def _news(self, task: Task, results: Results) -> list[list[object]]:
        """Return the results that the task needs and the worker does not know."""
        own = {id_ for id_, _ in task}
        named = {id_ for _, planned in task for id_ in planned.intent.upstream.values()}
        news = sorted(named - own - self._known)
        self._known.update(own, news)
        return [[id_, *results.get(id_)] for id_ in news]

    def _send(self, message: Mapping[str, object]) -> None:
        stdin = cast("IO[bytes]", self._process.stdin)
        try:
            stdin.write(json.dumps(message).encode() + b"\n")
            stdin.flush()
        except BrokenPipeError as error:
            raise self._ended() from error

    def _answer(self, id_: str, planned: Planned, results: Results) -> Taken:
        header, step = json.loads(self._line()), planned.intent.step
        if header["id"] != id_:
            raise WorkerError(
                f"expected the answer to {id_}, found {header['id']}",
                where="a worker process",
                why="answers come in the order of the task",
                fix="this is a defect of assay: report it",
            )
        reason = header.get("error")
        if reason is not None:
            return Taken(Outcome(id_, step, "failed", error=reason), _error_of(header))
        encoded = Encoded.of(cast("Payload", json.loads(self._line())))
        results.keep(id_, encoded.value, encoded.sha256)
        used, seconds = header["used"], header["seconds"]
        return Taken(Outcome(id_, step, "ok", encoded, None, used, seconds=seconds))

    def _line(self) -> bytes:
        line = cast("IO[bytes]", self._process.stdout).readline()
        if not line.endswith(b"\n"):
            raise self._ended()
        return line

    def _ended(self) -> WorkerError:
        code = self._process.wait()
        return WorkerError(
            f"a worker process ended with exit code {code} before its task was done",
            where=f"process {self._process.pid}",
            why="it was killed (memory?), or its message stands above",
            fix="start the run again with fewer --jobs; a tournament goes on with --resume",
        )


def _error_of(header: Payload) -> FlowError:
    reason = cast("dict[str, str]", header["error"])
    if "code" in reason:
        return DecisionError.told(reason, cast("int", header["exit_code"]))
    return WorkerError(
        f"internal error: {reason['what']}",
        where="a worker process; its trace stands above",
        why="this is a defect of assay",
        fix="report it with the trace",
    )


class Pool:
    """Worker processes that share the decisions of a batch.

    Parameters
    ----------
    workers : sequence of Worker
        At least one.
    """

    def __init__(self, workers: Sequence[Worker]) -> None:
        self._workers = workers
        self._seconds: dict[str, float] = {}

    def take(
        self, pairs: Pairs, inputs: Mapping[str, Digest], results: Results
    ) -> dict[str, Taken]:
        """Take the decisions of `pairs`; see `flows.batch.Decider`."""
        for worker in self._workers:
            worker.forget()
        taken = self._share(self._shared(pairs), inputs, results)
        order = [id_ for id_, _ in pairs]
        failed = [order.index(id_) for id_, found in taken.items() if found.error is not None]
        # What follows a failure that all cells share has nothing to build on.
        chains = _chains(pairs[: min(failed, default=len(pairs))])
        chains.sort(key=lambda task: -self._seconds.get(task[0][1].label, 0.0))
        followed = self._share(chains, inputs, results)
        for task in chains:
            spent = (followed[id_].outcome.seconds or 0.0 for id_, _ in task if id_ in followed)
            self._seconds[task[0][1].label] = sum(spent)
        return taken | followed

    def _shared(self, pairs: Pairs) -> list[Task]:
        """Return what all cells share as tasks of whole windows."""
        shared = [pair for pair in pairs if not pair[1].label]
        by_window = [list(group) for _, group in groupby(shared, key=_window)]
        size = max(1, -(-len(by_window) // (CHUNKS * len(self._workers))))
        parts = [by_window[first : first + size] for first in range(0, len(by_window), size)]
        return [[pair for window in part for pair in window] for part in parts]

    def _share(
        self, tasks: Sequence[Task], inputs: Mapping[str, Digest], results: Results
    ) -> dict[str, Taken]:
        """Give each task to the next free worker and return what all of them found."""
        free: SimpleQueue[Worker] = SimpleQueue()
        for worker in self._workers:
            free.put(worker)

        def work(task: Task) -> list[Taken]:
            worker = free.get()
            try:
                return worker.take(task, inputs, results)
            finally:
                free.put(worker)

        with ThreadPoolExecutor(len(self._workers)) as threads:
            answers = list(threads.map(work, tasks))
        return {found.outcome.id: found for answer in answers for found in answer}


def _window(pair: tuple[str, Planned]) -> int:
    window = pair[1].intent.window
    return -1 if window is None else cast("int", window["ordinal"])


def _chains(pairs: Pairs) -> list[Task]:
    """Return the decisions of each cell, in order."""
    chains: dict[str, Task] = {}
    for id_, planned in pairs:
        if planned.label:
            chains.setdefault(planned.label, []).append((id_, planned))
    return list(chains.values())


@contextmanager
def open_pool(jobs: int, blobs: Path) -> Iterator[Pool | None]:
    """Start `jobs` workers and end them; nothing for one job: this process decides.

    Parameters
    ----------
    jobs : int
        Processes that decide side by side.
    blobs : Path
        The blob store that snapshots are read from.
    """
    if jobs <= 1:
        yield None
        return
    with ExitStack() as stack:
        workers = []
        for _ in range(jobs):
            workers.append(Worker(blobs))
            stack.callback(workers[-1].close)
        yield Pool(workers)

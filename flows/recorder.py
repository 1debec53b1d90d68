"""The only caller of `Log.append`: blobs first, then the record, then the checkpoint.

Life of a run:

1. `Recorder.open` closes runs that died, then records what this one is: manifest, lock, commit,
   environment. A crash before this line leaves nothing.
2. `intend` makes the intents of a batch durable before the batch is computed. A crash after it
   leaves intents without outcome; the lock file of the run shows that its process is gone.
3. `conclude` makes the outcomes durable before their results are used.
4. `close` counts, and signs a checkpoint over everything.

While the run is open a checkpoint is signed over every 1,024 records, and when the last one is a
minute old: what is cut off above the newest checkpoint is found only by who kept a receipt.

Whoever starts next finds the lock file of a dead run free, and records its open intents as
`aborted`: nothing is deleted.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from flows.errors import as_json
from ledger import BlobStore, Draft, Fragment, sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from flows.errors import Explained
    from flows.settings import Workspace
    from ledger import Checkpoint, Digest, Log, Receipt, Record, SigningKey
    from pipeline.records import Intent
    from pipeline.values import Json, Payload

INLINE_BYTES = 24_000
"""A result with more canonical bytes than this stands in a blob: a line has 65,535 at most."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A result with its canonical bytes.

    Attributes
    ----------
    value : payload
        What the bytes say when they are read back: what a replay will see.
    fragment : Fragment
        The canonical bytes, encoded once.
    sha256 : Digest
        Their digest, by which downstream decisions name the result.
    """

    value: Payload
    fragment: Fragment
    sha256: Digest

    @classmethod
    def of(cls, result: Payload) -> Encoded:
        """Encode a result once."""
        fragment = Fragment(result)
        value = cast("Payload", json.loads(fragment.data))
        return cls(value, fragment, sha256(fragment.data))


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one decision.

    Attributes
    ----------
    id : str
        Id of its intent.
    step : str
        Step of its intent.
    status : str
        `ok`, `failed` or `aborted`.
    result : Encoded or None
        What the stage returned; `None` unless `ok`.
    error : mapping or None
        The four parts of the error when `failed`.
    upstream_sha256 : mapping of str to str
        Role -> digest of the upstream result that was used.
    outputs : mapping of str to Digest
        Blobs made.
    seconds : float or None
        How long it took; observed, never compared.
    """

    id: str
    step: str
    status: str
    result: Encoded | None = None
    error: Mapping[str, str] | None = None
    upstream_sha256: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, Digest] = field(default_factory=dict)
    seconds: float | None = None


@dataclass(slots=True)
class Counts:
    """What a run appended so far."""

    intents: int = 0
    outcomes: int = 0
    first_seq: int = 0
    last_seq: int = 0
    seconds: float = 0.0


class Recorder:
    """Records one run; made by `Recorder.open`, ended by `close`.

    Parameters
    ----------
    workspace : Workspace
        Whose ledger, blobs and keys are used.
    log : Log
        The open ledger.
    key : SigningKey
        Signs the checkpoint at the end.
    run_id : str
        Unique in the ledger.
    actor : str
        `user@host`.
    """

    def __init__(
        self, workspace: Workspace, log: Log, key: SigningKey, run_id: str, actor: str
    ) -> None:
        self.workspace = workspace
        self.run_id = run_id
        self.blobs = BlobStore(workspace.blobs)
        self.counts = Counts()
        self.observed: dict[str, str] = {}
        self.checkpoint: Checkpoint | None = None
        self.head = ""
        self._log = log
        self._key = key
        self._actor = actor
        self._pending: dict[str, str] = {}
        self._lock: int | None = None
        self._attempts: dict[str, int] = {}
        self._resumed = 0

    @classmethod
    def open(
        cls,
        workspace: Workspace,
        log: Log,
        key: SigningKey,
        *,
        name: str,
        actor: str,
        clock: Callable[[], datetime],
        data: Payload,
        inputs: Mapping[str, bytes],
    ) -> Recorder:
        """Close runs that died and record the opening of a new one.

        Parameters
        ----------
        name : str
            Name of the profile or of the command; part of the run id.
        data : payload
            What the run is (`docs/spec/records.md`, run records).
        inputs : mapping of str to bytes
            Documents stored as blobs and named by the opening record.
        """
        close_dead_runs(workspace, log, actor)
        started = clock()
        stamp = f"{started:%Y%m%dT%H%M%S}{started.microsecond // 1000:03d}Z"
        run_id, lock = _claim(workspace, f"{stamp}-{name}", log)
        recorder = cls(workspace, log, key, run_id, actor)
        recorder._lock = lock
        blobs = {role: recorder.blobs.put(content) for role, content in sorted(inputs.items())}
        recorder._append(
            [
                recorder._draft(
                    "run", step="run", id=f"{run_id}/open", status="open", inputs=blobs, data=data
                )
            ]
        )
        return recorder

    @classmethod
    def reopen(
        cls,
        workspace: Workspace,
        log: Log,
        key: SigningKey,
        *,
        run_id: str,
        actor: str,
        data: Payload,
    ) -> Recorder:
        """Go on with a run that was closed before it was done.

        Decisions that were aborted get a further attempt; the others keep their ids.

        Parameters
        ----------
        run_id : str
            Its id; it must have been opened, and closed.
        data : payload
            What the resuming record says.
        """
        mine = [record for record in log.read(0) if record.run_id == run_id]
        recorder = cls(workspace, log, key, run_id, actor)
        recorder._lock = _claim_again(workspace, run_id, mine[0].seq)
        recorder._attempts = next_attempts(mine)
        recorder._resumed = _resumed(mine) + 1
        recorder.counts = Counts(
            intents=sum(record.type == "intent" for record in mine),
            outcomes=sum(record.type == "outcome" for record in mine),
            first_seq=mine[0].seq,
            last_seq=mine[-1].seq,
        )
        id_ = f"{run_id}/resume/{recorder._resumed}"
        recorder._append([recorder._draft("note", step="resume", id=id_, data=data)])
        return recorder

    def decision_id(self, step: str, ordinal: str) -> str:
        """Return `<run_id>/<step>/<ordinal>/<attempt>`."""
        attempt = self._attempts.get(f"{step}/{ordinal}", 1)
        return f"{self.run_id}/{step}/{ordinal}/{attempt}"

    def intend(
        self, intents: Sequence[Intent], inputs: Mapping[str, Digest] | None = None
    ) -> list[str]:
        """Make `intents` durable and return their ids, in order."""
        ids = [self.decision_id(intent.step, intent.ordinal) for intent in intents]
        self._append(
            [
                self._draft(
                    "intent",
                    step=intent.step,
                    id=id_,
                    inputs=dict(inputs or {}),
                    data=intent.to_payload(),
                )
                for id_, intent in zip(ids, intents, strict=True)
            ]
        )
        self.counts.intents += len(ids)
        self._pending.update(zip(ids, (intent.step for intent in intents), strict=True))
        return ids

    def conclude(self, outcomes: Sequence[Outcome]) -> None:
        """Make `outcomes` durable; their results may be used afterwards."""
        self._append([self._outcome(outcome) for outcome in outcomes])
        self.counts.outcomes += len(outcomes)
        for outcome in outcomes:
            self._pending.pop(outcome.id, None)

    def abort_pending(self, reason: str) -> None:
        """Record every intent that has no outcome yet as aborted because of `reason`."""
        self.conclude(
            [
                Outcome(id_, step, "aborted", error={"what": reason})
                for id_, step in self._pending.items()
            ]
        )

    def close(self, status: str, error: Explained | None = None) -> None:
        """Record the end of the run and sign a checkpoint over the ledger."""
        counts = self.counts
        data: Payload = {
            "intents": counts.intents,
            "outcomes": counts.outcomes,
            "first_seq": counts.first_seq,
            "last_seq": counts.last_seq,
            "error": None if error is None else cast("Json", as_json(error)),
            "observed": {**self.observed, "recording_seconds": round(counts.seconds, 6)},
        }
        self._append(
            [
                self._draft(
                    "run",
                    step="run",
                    id=_closing_id(self.run_id, self._resumed),
                    status=status,
                    data=data,
                )
            ]
        )
        self.checkpoint = self._log.checkpoint(self._key)
        self.head = self._log.head().hash
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            (self.workspace.runs / self.run_id).unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    def _outcome(self, outcome: Outcome) -> Draft:
        data: dict[str, object] = {"upstream_sha256": dict(sorted(outcome.upstream_sha256.items()))}
        outputs = dict(outcome.outputs)
        if outcome.result is not None:
            data["result_sha256"] = outcome.result.sha256
            if len(outcome.result.fragment.data) > INLINE_BYTES:
                outputs["result"] = self.blobs.put(outcome.result.fragment.data)
            else:
                data["result"] = outcome.result.fragment
        if outcome.error is not None:
            data["error"] = dict(outcome.error)
        if outcome.seconds is not None:
            data["observed"] = {"seconds": round(outcome.seconds, 6)}
        return self._draft(
            "outcome",
            step=outcome.step,
            id=outcome.id,
            status=outcome.status,
            outputs=outputs,
            data=data,
        )

    def _draft(
        self,
        type_: str,
        *,
        step: str,
        id: str,  # noqa: A002 - the field of the record
        status: str = "",
        inputs: Mapping[str, Digest] | None = None,
        outputs: Mapping[str, Digest] | None = None,
        data: Mapping[str, object],
    ) -> Draft:
        return Draft(
            type=type_,
            run_id=self.run_id,
            step=step,
            id=id,
            status=status,
            actor=self._actor,
            inputs=inputs or {},
            outputs=outputs or {},
            data=data,
        )

    def _append(self, drafts: Sequence[Draft]) -> list[Receipt]:
        if not drafts:
            return []
        started = time.perf_counter()
        receipts = self._log.append(drafts)
        self._log.checkpoint_if_due(self._key)
        counts = self.counts
        counts.seconds += time.perf_counter() - started
        counts.first_seq = counts.first_seq or receipts[0].seq
        counts.last_seq = receipts[-1].seq
        return receipts


def close_dead_runs(workspace: Workspace, log: Log, actor: str) -> list[str]:
    """Record the open intents of runs whose process is gone as `aborted`, and close those runs.

    Returns
    -------
    list of str
        Ids of the runs that were closed.
    """
    closed = []
    for path in sorted(workspace.runs.glob("[!.]*")):
        lock = _try_lock(path)
        if lock is None:
            continue
        try:
            content = path.read_text(encoding="utf-8")
            first = int(json.loads(content)["first_seq"]) if content else 0
            _abort_run(log, path.name, first, actor)
            closed.append(path.name)
            path.unlink()
        finally:
            os.close(lock)
    return closed


def running(workspace: Workspace) -> set[str]:
    """Return the ids of the runs whose process is alive."""
    alive = set()
    for path in sorted(workspace.runs.glob("[!.]*")):
        lock = _try_lock(path)
        if lock is None:
            alive.add(path.name)
        else:
            os.close(lock)
    return alive


def open_intents(records: Iterator[Record]) -> dict[str, Record]:
    """Return the intents among `records` that have no outcome, by id."""
    pending: dict[str, Record] = {}
    for record in records:
        if record.type == "intent":
            pending[record.id] = record
        elif record.type == "outcome":
            pending.pop(record.id, None)
    return pending


def _abort_run(log: Log, run_id: str, first: int, actor: str) -> None:
    mine = [record for record in log.read(first) if record.run_id == run_id]
    if not any(record.id == f"{run_id}/open" for record in mine):
        return  # It died before its opening was durable: nothing to close.
    closing_id = _closing_id(run_id, _resumed(mine))
    if any(record.id == closing_id for record in mine):
        return  # It died between its closing record and the removal of its lock file.
    pending = open_intents(iter(mine))
    reason = {"what": "the process of this run ended before the outcome was recorded"}
    drafts = [
        Draft(
            type="outcome",
            run_id=run_id,
            step=record.step,
            id=id_,
            status="aborted",
            actor=actor,
            data={"error": reason, "upstream_sha256": {}},
        )
        for id_, record in pending.items()
    ]
    intents = sum(record.type == "intent" for record in mine)
    outcomes = sum(record.type == "outcome" for record in mine) + len(drafts)
    data: Payload = {
        "intents": intents,
        "outcomes": outcomes,
        "first_seq": mine[0].seq,
        "last_seq": mine[-1].seq,
        "error": cast("Json", reason),
    }
    closing = Draft(
        type="run",
        run_id=run_id,
        step="run",
        id=closing_id,
        status="aborted",
        actor=actor,
        data=data,
    )
    log.append([*drafts, closing])


def next_attempts(records: Sequence[Record]) -> dict[str, int]:
    """Return `step/ordinal` -> attempt to go on with, for the decisions of a run.

    A decision that ended keeps its attempt; one that was aborted, or never ended, gets the next.
    """
    attempts: dict[str, int] = {}
    ended = {
        record.id for record in records if record.type == "outcome" and record.status != "aborted"
    }
    for record in records:
        if record.type == "intent":
            key, _, attempt = record.id.partition("/")[2].rpartition("/")
            attempts[key] = int(attempt) + (record.id not in ended)
    return attempts


def _resumed(records: Sequence[Record]) -> int:
    return sum(record.type == "note" and record.step == "resume" for record in records)


def _closing_id(run_id: str, resumed: int) -> str:
    return f"{run_id}/close" if resumed == 0 else f"{run_id}/close/{resumed + 1}"


def _claim_again(workspace: Workspace, run_id: str, first: int) -> int:
    """Return the descriptor that holds the lock on the file of a run that goes on.

    Raises
    ------
    FileExistsError
        If the run has a file: somebody else goes on with it.
    """
    workspace.runs.mkdir(parents=True, exist_ok=True)
    draft = workspace.runs / f".{run_id}.{os.getpid()}"
    lock = os.open(draft, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.write(lock, json.dumps({"first_seq": first, "pid": os.getpid()}).encode())
        (workspace.runs / run_id).hardlink_to(draft)
    except OSError:
        os.close(lock)
        raise
    finally:
        draft.unlink()
    return lock


def _claim(workspace: Workspace, wanted: str, log: Log) -> tuple[str, int]:
    """Return the id of a new run and the descriptor that holds the lock on its file.

    The file is locked before it gets its name, so nobody can mistake it for the file of a dead
    run. A letter is added while another run of the same second has the name.
    """
    workspace.runs.mkdir(parents=True, exist_ok=True)
    draft = workspace.runs / f".{wanted}.{os.getpid()}"
    lock = os.open(draft, os.O_CREAT | os.O_RDWR, 0o644)
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.write(lock, json.dumps({"first_seq": log.head().count, "pid": os.getpid()}).encode())
    try:
        for suffix in ("", *"abcdefghijklmnopqrstuvwxyz"):
            name = f"{wanted}-{suffix}".rstrip("-")
            if _linked(draft, workspace.runs / name):
                return name, lock
    finally:
        draft.unlink()
    message = f"27 runs named {wanted} in one millisecond"
    raise RuntimeError(message)


def _linked(draft: Path, path: Path) -> bool:
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        return False
    return True


def _try_lock(path: Path) -> int | None:
    """Return the locked descriptor of a run's file, or None while its process lives."""
    lock = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock

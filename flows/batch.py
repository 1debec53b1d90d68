"""Decides a batch of intents: intents durable, compute, outcomes durable.

The results that a decision needs are looked up by the ids that its intent names, and go through
their canonical bytes first: a stage sees exactly what a replay will read from the ledger.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from flows.errors import Explained, as_json
from flows.recorder import Encoded, Outcome
from ledger import dumps, sha256
from pipeline.walk import Evidence, decide

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flows.recorder import Recorder
    from ledger import Digest
    from pipeline.records import Intent
    from pipeline.values import Panel, Payload


@dataclass(frozen=True, slots=True)
class Planned:
    """An intent with the rows that it names.

    Attributes
    ----------
    intent : Intent
        What is decided.
    panel : Panel or None
        The rows of `intent.rows`.
    bars : bytes or None
        For `ingest`: the snapshot blob.
    """

    intent: Intent
    panel: Panel | None = None
    bars: bytes | None = None

    @property
    def label(self) -> str:
        """Engine and risk profile, empty for what all cells share."""
        return "" if self.intent.cell is None else self.intent.cell.label


class Results:
    """Results by decision id, as they will be read from the ledger."""

    def __init__(self) -> None:
        self._results: dict[str, tuple[Payload, str]] = {}

    def add(self, id_: str, result: Payload) -> Encoded:
        """Keep `result` under `id_`, as its canonical bytes read back."""
        encoded = Encoded.of(result)
        self.keep(id_, encoded.value, encoded.sha256)
        return encoded

    def keep(self, id_: str, value: Payload, sha256: str) -> None:
        """Keep a result that was read from canonical bytes with this digest."""
        self._results[id_] = value, sha256

    def recorded(self, id_: str) -> Outcome | None:
        """Return the outcome that an earlier attempt of the run left; here there was none."""
        del id_
        return None

    def get(self, id_: str) -> tuple[Payload, str]:
        """Return the result of `id_` and its digest."""
        return self._results[id_]

    def ids(self, prefix: str) -> list[str]:
        """Return all ids with `prefix`, ascending."""
        return sorted(id_ for id_ in self._results if id_.startswith(prefix))

    def matching(self, prefix: str) -> list[tuple[Payload, str]]:
        """Return results and digests of all ids with `prefix`, in order of their ids."""
        return [self._results[id_] for id_ in self.ids(prefix)]

    def of_steps(self, steps: Sequence[str]) -> dict[str, Payload]:
        """Return the results of `steps` that are still kept, by id."""
        return {
            id_: result
            for id_, (result, _) in self._results.items()
            if id_.split("/", 2)[1] in steps
        }

    def reduce(self, step: str, fields: Sequence[str]) -> None:
        """Keep only `fields` of the results of `step`: all that a later decision reads."""
        for id_, (result, digest) in self._results.items():
            if id_.split("/", 2)[1] == step and len(result) > len(fields):
                self._results[id_] = {name: result[name] for name in fields}, digest

    def drop(self, steps: Sequence[str]) -> None:
        """Forget the results of `steps`; nothing later names them."""
        gone = [id_ for id_ in self._results if id_.split("/", 2)[1] in steps]
        for id_ in gone:
            del self._results[id_]


@dataclass(frozen=True, slots=True)
class Taken:
    """How one decision ended.

    Attributes
    ----------
    outcome : Outcome
        What is recorded.
    error : Exception or None
        Why it failed.
    """

    outcome: Outcome
    error: Exception | None = None


class Decider(Protocol):
    """Takes the decisions of a batch somewhere else than in this process."""

    def take(
        self, pairs: Pairs, inputs: Mapping[str, Digest], results: Results
    ) -> dict[str, Taken]:
        """Take the decisions of `pairs`; keep their results in `results`.

        A decision after a failed one of its cell, or after a failed one that all cells share, may
        be left out; every decision before it in the order of `pairs` is taken.
        """
        ...


Pairs: TypeAlias = "Sequence[tuple[str, Planned]]"
"""Decisions by id, in the order of the plan."""


def decide_batch(
    recorder: Recorder,
    results: Results,
    batch: Sequence[Planned],
    inputs: Mapping[str, Digest],
    decider: Decider | None = None,
    *,
    isolate: bool = False,
) -> list[Outcome]:
    """Decide every intent of `batch` and record the outcomes in order.

    Parameters
    ----------
    recorder, results, batch, inputs
        Who records, what is known, what is decided, and the blobs that the intents name.
    decider : Decider, optional
        Takes the decisions elsewhere. What is recorded does not depend on it.
    isolate : bool
        A failure for a typed reason ends its cell only; what follows of the cell is `aborted`.

    Returns
    -------
    list of Outcome
        In order; those that an earlier attempt of the run has recorded are among them.

    Raises
    ------
    PipelineError
        The first failure that stops the run; it is recorded as `failed`, and the rest of the batch
        as `aborted`.
    """
    ids = [recorder.decision_id(entry.intent.step, entry.intent.ordinal) for entry in batch]
    known = {id_: found for id_ in ids if (found := results.recorded(id_)) is not None}
    pairs = [(id_, entry) for id_, entry in zip(ids, batch, strict=True) if id_ not in known]
    failed = {id_ for id_, found in known.items() if found.status == "failed"}
    out = {entry.label for id_, entry in zip(ids, batch, strict=True) if id_ in failed}
    pairs = [(id_, entry) for id_, entry in pairs if entry.label not in out]
    recorder.intend([entry.intent for _, entry in pairs], inputs)
    taken = (
        _in_order(pairs, results, isolate=isolate)
        if decider is None
        else decider.take(pairs, inputs, results)
    )
    outcomes, error = _settled(pairs, taken, isolate=isolate)
    recorder.conclude(outcomes)
    if error is not None:
        recorder.abort_pending("an earlier decision of the batch failed")
        raise error
    known.update((outcome.id, outcome) for outcome in outcomes)
    return [known[id_] for id_ in ids if id_ in known]


def _in_order(pairs: Pairs, results: Results, *, isolate: bool) -> dict[str, Taken]:
    """Take decisions one by one until one fails that stops the run."""
    taken: dict[str, Taken] = {}
    out: set[str] = set()
    for id_, planned in pairs:
        if planned.label in out:
            continue
        found = taken[id_] = take(id_, planned, results)
        if found.error is not None:
            if not (isolate and _ends_its_cell_only(planned, found.error)):
                break
            out.add(planned.label)
    return taken


DEFECT = 70
"""Exit code of a defect of ours: it stops the run, whatever else is left to decide."""


def _ends_its_cell_only(planned: Planned, error: Exception) -> bool:
    typed = isinstance(error, Explained) and error.exit_code != DEFECT
    return typed and bool(planned.label)


def take(id_: str, planned: Planned, results: Results) -> Taken:
    """Take one decision; a failure is a value too."""
    started, step = time.perf_counter(), planned.intent.step
    try:
        evidence, used = gather(planned, results)
        result = results.add(id_, decide(planned.intent, evidence))
    except Exception as error:  # noqa: BLE001 - whatever fails is recorded first, then raised
        reason = as_json(error) if isinstance(error, Explained) else {"what": repr(error)}
        return Taken(Outcome(id_, step, "failed", error=reason), error)
    seconds = time.perf_counter() - started
    return Taken(Outcome(id_, step, "ok", result, None, used, seconds=seconds))


def _settled(
    pairs: Pairs, taken: Mapping[str, Taken], *, isolate: bool
) -> tuple[list[Outcome], Exception | None]:
    """Return the outcomes to record, up to the first failure that stops the run, and that one."""
    outcomes: list[Outcome] = []
    out: set[str] = set()
    for id_, planned in pairs:
        if planned.label in out:
            reason = {"what": "an earlier decision of the cell failed"}
            outcomes.append(Outcome(id_, planned.intent.step, "aborted", error=reason))
            continue
        found = taken[id_]
        outcomes.append(found.outcome)
        if found.error is not None:
            if not (isolate and _ends_its_cell_only(planned, found.error)):
                return outcomes, found.error
            out.add(planned.label)
    return outcomes, None


def gather(planned: Planned, results: Results) -> tuple[Evidence, dict[str, str]]:
    """Return the evidence of a planned decision and the digests of the upstream results."""
    single: dict[str, Payload] = {}
    series: dict[str, list[Payload]] = {}
    used: dict[str, str] = {}
    for role, id_ in sorted(planned.intent.upstream.items()):
        if id_.endswith("*"):
            found = results.matching(id_[:-1])
            series[role] = [result for result, _ in found]
            used[role] = sha256(dumps([digest for _, digest in found]))
        else:
            single[role], used[role] = results.get(id_)
    return Evidence(planned.panel, single, series, planned.bars), used

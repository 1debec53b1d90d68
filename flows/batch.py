"""Decides a batch of intents: intents durable, compute, outcomes durable.

The results that a decision needs are looked up by the ids that its intent names, and go through
their canonical bytes first: a stage sees exactly what a replay will read from the ledger.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

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


class Results:
    """Results by decision id, as they will be read from the ledger."""

    def __init__(self) -> None:
        self._results: dict[str, tuple[Payload, str]] = {}

    def add(self, id_: str, result: Payload) -> Encoded:
        """Keep `result` under `id_`, as its canonical bytes read back."""
        encoded = Encoded.of(result)
        self._results[id_] = encoded.value, encoded.sha256
        return encoded

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

    def drop(self, steps: Sequence[str]) -> None:
        """Forget the results of `steps`; nothing later names them."""
        gone = [id_ for id_ in self._results if id_.split("/", 2)[1] in steps]
        for id_ in gone:
            del self._results[id_]


def decide_batch(
    recorder: Recorder,
    results: Results,
    batch: Sequence[Planned],
    inputs: Mapping[str, Digest],
) -> list[Payload]:
    """Decide every intent of `batch` in order.

    Returns
    -------
    list of payload
        The results, in order.

    Raises
    ------
    PipelineError
        The first failure; it is recorded as `failed`, and the rest of the batch as `aborted`.
    """
    ids = recorder.intend([planned.intent for planned in batch], inputs)
    outcomes: list[Outcome] = []
    payloads: list[Payload] = []
    try:
        for id_, planned in zip(ids, batch, strict=True):
            started = time.perf_counter()
            evidence, used = gather(planned, results)
            result = results.add(id_, decide(planned.intent, evidence))
            seconds = time.perf_counter() - started
            step = planned.intent.step
            outcomes.append(Outcome(id_, step, "ok", result, None, used, seconds=seconds))
            payloads.append(result.value)
    except Exception as error:
        # The one broad except: record what failed, then let it go on.
        failed = batch[len(outcomes)].intent.step
        reason = as_json(error) if isinstance(error, Explained) else {"what": repr(error)}
        outcomes.append(Outcome(ids[len(outcomes)], failed, "failed", error=reason))
        recorder.conclude(outcomes)
        recorder.abort_pending("an earlier decision of the batch failed")
        raise
    recorder.conclude(outcomes)
    return payloads


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

"""Run the recorded stage on the recorded inputs.

The inputs are loaded by the digests that the intent names and checked before they are used. Rows
come from the snapshot blob and must have the recorded logical digest; upstream results come from
the ledger and must have the digest that the outcome names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from ledger import BlobAlteredError, BlobMissingError, LedgerError, dumps, sha256
from pipeline.errors import PipelineError
from pipeline.fingerprint import panel_digest
from pipeline.ingestion.snapshot import from_snapshot, panel_of
from pipeline.records import Intent, MalformedIntentError
from pipeline.walk import Evidence, decide
from replay.comparison import Comparison, compare
from replay.environment import compare as compare_environments
from replay.errors import EvidenceMissingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ledger import BlobStore, Digest, Record
    from pipeline.values import Panel, Payload
    from replay.history import Decision, History


class Snapshots:
    """Rows of the snapshots that intents name, checked against their logical digest.

    Parameters
    ----------
    blobs : BlobStore
        Where the snapshots are.
    """

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._panels: dict[tuple[str, str], Panel] = {}

    def rows(self, intent: Intent, snapshot: Digest | None) -> Panel | None:
        """Return the rows of `snapshot` that `intent` may use; None if it names none.

        Raises
        ------
        EvidenceMissingError
            If the values are not those recorded.
        LedgerError
            If the blob is gone or altered.
        """
        rows = intent.rows
        if rows is None or snapshot is None:
            return None
        panel = self._panel(snapshot, rows.field)
        first = int(np.searchsorted(panel.dates, np.datetime64(rows.first, "D")))
        stop = int(np.searchsorted(panel.dates, np.datetime64(rows.last, "D"), side="right"))
        chosen = panel.rows(first, stop)
        found = panel_digest(chosen)
        if found != rows.sha256:
            raise EvidenceMissingError(
                f"rows {rows.first}..{rows.last}: expected digest {rows.sha256}, found {found}",
                where=f"snapshot {snapshot}",
                why="a decision is replayed on exactly the values it was taken on",
                fix="restore the blob from a backup; `assay verify --blobs` names what is altered",
            )
        return chosen

    def _panel(self, snapshot: Digest, price_field: str) -> Panel:
        key = (snapshot, price_field)
        if key not in self._panels:
            bars = from_snapshot(self._blobs.get(snapshot))
            self._panels[key] = panel_of(bars, price_field)
        return self._panels[key]


class Replayer:
    """Takes recorded decisions again.

    Parameters
    ----------
    history : History
        The recorded decisions.
    environment : mapping
        The present environment as a payload, to explain a difference.
    """

    def __init__(self, history: History, environment: Mapping[str, object]) -> None:
        self._history = history
        self._environment = environment
        self._snapshots = Snapshots(history.blobs)
        self._differences: dict[str, list[str]] = {}

    def replay_all(self, ids: Sequence[str]) -> Iterator[Comparison]:
        """Yield the verdict on each decision, in the order given."""
        for id_ in ids:
            yield self.replay(id_)

    def replay(self, id_: str) -> Comparison:
        """Return the verdict on one decision.

        Raises
        ------
        UnknownDecisionError
            If the ledger has no such decision.
        """
        decision = self._history.decision(id_)
        if erased := self._history.erasure(decision.intent, decision.outcome):
            return Comparison(id_, "input_missing", first_difference=erased)
        try:
            return self._replay(decision)
        except BlobMissingError as error:
            erased = self._history.erasure(missing=error.digest)
            return Comparison(id_, "input_missing", first_difference=erased or str(error))
        except BlobAlteredError as error:
            return Comparison(id_, "input_altered", first_difference=str(error))
        except (EvidenceMissingError, LedgerError, MalformedIntentError) as error:
            return Comparison(id_, "input_missing", first_difference=str(error))

    def _replay(self, decision: Decision) -> Comparison:
        id_ = decision.intent.id
        if decision.outcome is None or decision.outcome.status == "aborted":
            return Comparison(id_, "input_missing", "no outcome was recorded")
        intent = Intent.from_payload(decision.intent.data)
        evidence, digests = self._evidence(intent, decision.intent)
        other = _other_upstream(decision.outcome, digests)
        if other is not None:
            return Comparison(id_, "diverged", other)
        return self._compare(decision, intent, evidence)

    def _compare(self, decision: Decision, intent: Intent, evidence: Evidence) -> Comparison:
        id_ = decision.intent.id
        differences = self._environment_differences(decision.intent.run_id)
        try:
            found = decide(intent, evidence)
        except (PipelineError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            # The last four are a defect of a stage: recorded without a code, compared like any.
            return _compare_failure(decision, error)
        if cast("Record", decision.outcome).status == "failed":
            return Comparison(id_, "diverged", "recorded a failure, found a result")
        recorded, _ = self._history.result(id_)
        return compare(id_, recorded, found, differences)

    def _evidence(self, intent: Intent, record: Record) -> tuple[Evidence, dict[str, str]]:
        single: dict[str, Payload] = {}
        series: dict[str, list[Payload]] = {}
        digests: dict[str, str] = {}
        for role, id_ in sorted(intent.upstream.items()):
            if id_.endswith("*"):
                found = self._history.series(id_[:-1])
                series[role] = [result for result, _ in found]
                digests[role] = sha256(dumps([digest for _, digest in found]))
            else:
                single[role], digests[role] = self._history.result(id_)
        snapshot = record.inputs.get("snapshot")
        panel = self._snapshots.rows(intent, snapshot)
        bars = self._history.blobs.get(snapshot) if intent.step == "ingest" and snapshot else None
        return Evidence(panel, single, series, bars), digests

    def _environment_differences(self, run_id: str) -> list[str]:
        if run_id not in self._differences:
            run = self._history.runs.get(run_id)
            recorded = {} if run is None else cast("Payload", run.data["environment"])
            self._differences[run_id] = compare_environments(recorded, self._environment)
        return self._differences[run_id]


def _other_upstream(outcome: Record, digests: Mapping[str, str]) -> str | None:
    recorded = cast("Mapping[str, str]", outcome.data["upstream_sha256"])
    if outcome.status == "failed":
        return None
    for role in sorted({*recorded, *digests}):
        if recorded.get(role) != digests.get(role):
            return f"upstream {role}: recorded {recorded.get(role)}, found {digests.get(role)}"
    return None


def _compare_failure(decision: Decision, error: Exception) -> Comparison:
    """Compare a failure computed again with the recorded outcome: its code and what it says."""
    outcome = cast("Record", decision.outcome)
    recorded = cast("Mapping[str, str]", outcome.data.get("error") or {})
    id_ = decision.intent.id
    code, what = (
        (error.code, error.what) if isinstance(error, PipelineError) else (None, repr(error))
    )
    if outcome.status == "failed" and (recorded.get("code"), recorded.get("what")) == (code, what):
        return Comparison(id_, "exact")
    found = f"found error {code or 'without code'}: {what}"
    return Comparison(id_, "diverged", f"recorded {outcome.status}, {found}")

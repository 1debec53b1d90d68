"""What the ledger holds about every decision: intent, outcome, inputs, upstream results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from ledger import canonical_digest, loads
from replay.errors import EvidenceMissingError, UnknownDecisionError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ledger import BlobStore, Record
    from pipeline.values import Payload


@dataclass(frozen=True, slots=True)
class Decision:
    """A recorded decision.

    Attributes
    ----------
    intent : Record
        What was about to be decided.
    outcome : Record or None
        What came of it; `None` while it is running or after a crash nobody closed yet.
    """

    intent: Record
    outcome: Record | None


class History:
    """Decisions by id, from one pass over the records of a ledger.

    Parameters
    ----------
    records : iterable of Record
        All records in order.
    blobs : BlobStore
        Where large results and snapshots are.
    """

    def __init__(self, records: Iterable[Record], blobs: BlobStore) -> None:
        self.blobs = blobs
        self.runs: dict[str, Record] = {}
        self._intents: dict[str, Record] = {}
        self._outcomes: dict[str, Record] = {}
        for record in records:
            if record.type == "intent":
                self._intents[record.id] = record
            elif record.type == "outcome":
                self._outcomes[record.id] = record
            elif record.type == "run" and record.status == "open":
                self.runs[record.run_id] = record

    def decisions(self, run_id: str | None = None) -> list[str]:
        """Return the ids of all decisions, or of one run, in the order they were recorded."""
        return [
            id_
            for id_, record in self._intents.items()
            if run_id is None or record.run_id == run_id
        ]

    def decision(self, id_: str) -> Decision:
        """Return the decision with exactly this id."""
        found = self.get(id_)
        if found is None:
            raise UnknownDecisionError(
                f"no decision {id_!r}",
                where="ledger",
                why="every decision is named by the id of its intent",
                fix="list ids with `assay log`; a unique prefix or suffix is enough",
            )
        return found

    def get(self, id_: str) -> Decision | None:
        """Return the decision with exactly this id, or None."""
        intent = self._intents.get(id_)
        return None if intent is None else Decision(intent, self._outcomes.get(id_))

    def find(self, text: str) -> str:
        """Return the id that is `text`, starts with it, or ends with it, if there is just one."""
        if text in self._intents:
            return text
        matches = [id_ for id_ in self._intents if id_.startswith(text)] or [
            id_ for id_ in self._intents if text in id_
        ]
        if len(matches) == 1:
            return matches[0]
        shown = "".join(f"\n         {id_}" for id_ in matches[:5])
        raise UnknownDecisionError(
            f"{len(matches)} decisions match {text!r}, expected one{shown}",
            where="ledger",
            why="an id may be shortened as long as it names one decision",
            fix="give more of the id; `assay log --step STEP` lists them",
        )

    def result(self, id_: str) -> tuple[Payload, str]:
        """Return the recorded result of a decision and its digest.

        Raises
        ------
        EvidenceMissingError
            If the decision has no result, its blob is gone, or the digest does not fit.
        """
        outcome = self._outcomes.get(id_)
        if outcome is None or outcome.status != "ok":
            raise _missing(id_, "it has no result", "replay a decision whose inputs were decided")
        digest = cast("str", outcome.data["result_sha256"])
        if "result" in outcome.outputs:
            result = cast("Payload", loads(self.blobs.get(outcome.outputs["result"])))
        else:
            result = cast("Payload", outcome.data["result"])
        if canonical_digest(result) != digest:
            raise _missing(id_, "its result does not have the recorded digest", "run assay verify")
        return result, digest

    def series(self, prefix: str) -> list[tuple[Payload, str]]:
        """Return results and digests of all decisions with `prefix`, in order of their ids."""
        ids = sorted(id_ for id_ in self._ids_of_run(prefix) if id_.startswith(prefix))
        return [self.result(id_) for id_ in ids]

    def _ids_of_run(self, prefix: str) -> list[str]:
        run_id = prefix.partition("/")[0]
        return self.decisions(run_id)


def _missing(id_: str, why: str, fix: str) -> EvidenceMissingError:
    return EvidenceMissingError(
        f"no usable result of {id_}", where=f"record {id_}", why=why, fix=fix
    )

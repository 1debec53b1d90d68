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

    Attributes
    ----------
    runs : dict of str to Record
        Run -> its opening record.
    erased_runs : dict of str to Record
        The same for openings of which the content was erased: what ran there is not known.
    """

    def __init__(self, records: Iterable[Record], blobs: BlobStore) -> None:
        self.blobs = blobs
        self.runs: dict[str, Record] = {}
        self.erased_runs: dict[str, Record] = {}
        self._intents: dict[str, Record] = {}
        self._outcomes: dict[str, Record] = {}
        self._redactions: dict[object, Record] = {}
        for record in records:
            if record.type == "redaction":
                self._note_redaction(record)
            elif record.type == "intent":
                self._intents[record.id] = record
            elif record.type == "outcome":
                self._outcomes[record.id] = record
            elif record.type == "run" and record.status == "open":
                self.runs[record.run_id] = record
            elif record.type == "run" and record.redacted and record.id.endswith("/open"):
                self.erased_runs[record.run_id] = record

    def decisions(self, run_id: str | None = None) -> list[str]:
        """Return the ids of all decisions, or of one run, in the order they were recorded."""
        return [
            id_
            for id_, record in self._intents.items()
            if run_id is None or record.run_id == run_id
        ]

    def was_decided(self, id_: str) -> bool:
        """Return whether there is something to take again: a result, or the error it ended with.

        What was aborted, or has no outcome yet, was never decided. An outcome that was erased was.
        """
        outcome = self._outcomes.get(id_)
        return outcome is not None and outcome.status != "aborted"

    def run(self, text: str) -> Record:
        """Return the opening record of the run whose id is `text`, or begins or ends with it."""
        ids = [text] if text in self.runs else []
        ids = ids or [id_ for id_ in self.runs if id_.startswith(text) or id_.endswith(text)]
        if len(ids) != 1:
            shown = "".join(f"\n         {id_}" for id_ in ids[:5])
            raise UnknownDecisionError(
                f"{len(ids)} runs match {text!r}, expected one{shown}",
                where="ledger",
                why="a run is named by its id, or the beginning or end of it",
                fix="`assay status` lists the last runs, `assay log --type run` all",
            )
        return self.runs[ids[0]]

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

    def erasure(self, *records: Record | None, missing: str = "") -> str | None:
        """Return why content of one of `records`, or the blob `missing`, is gone; None if not so.

        Lawful erasure is recorded: the text names the ground and the redaction record.
        """
        gone: list[object] = [each.seq for each in records if each is not None and each.redacted]
        for name in (*gone, missing):
            redaction = self._redactions.get(name)
            if redaction is not None:
                ground = redaction.data.get("ground")
                return f"erased: {ground} (record {redaction.seq}, by {redaction.actor})"
        return None

    def _note_redaction(self, record: Record) -> None:
        for name in (record.data.get("seq"), record.data.get("blob")):
            if isinstance(name, int | str):
                self._redactions.setdefault(name, record)

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
        if erased := self.erasure(outcome):
            raise _missing(id_, erased, "what was lawfully erased cannot be replayed")
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
        """Return results and digests of all decisions with `prefix`, in order of their ids.

        An attempt that was aborted has no result and is left out; whoever compares the digest of
        the whole sees whether it belongs here.
        """
        ids = sorted(id_ for id_ in self._ended_of_run(prefix) if id_.startswith(prefix))
        return [self.result(id_) for id_ in ids]

    def _ended_of_run(self, prefix: str) -> list[str]:
        outcomes, run_id = self._outcomes, prefix.partition("/")[0]
        return [
            id_
            for id_ in self.decisions(run_id)
            if id_ in outcomes and outcomes[id_].status == "ok"
        ]


def _missing(id_: str, why: str, fix: str) -> EvidenceMissingError:
    return EvidenceMissingError(
        f"no usable result of {id_}: {why}", where=f"record {id_}", why=why, fix=fix
    )

"""The rules of the format that bytes and chain do not enforce.

One `Lints` sees every record in order and returns a sentence for each rule that is broken. The
writer keeps the same rules; a verifier that shares no code with it checks them again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.digest import Digest
    from ledger.record import Record


class Lints:
    """Rules over the whole ledger: order, time, pairing, uniqueness.

    When records were not read, `complete` is set to False: then an intent may be among them.
    """

    def __init__(self) -> None:
        self.blobs: dict[Digest, int] = {}
        self.complete = True
        self._last = ""
        self._shift = 0
        self._runs: dict[tuple[str, str], str] = {}
        self._outcomes = 0
        self._intents = 0

    @property
    def unanswered(self) -> int:
        """How many intents have no outcome."""
        return self._intents - self._outcomes

    def check(self, record: Record, seq: int) -> Iterator[tuple[str, str, str]]:
        """Yield sentence, expected and found for each rule that the record at `seq` breaks."""
        if record.seq != seq + self._shift:
            yield "seq is not the position of the record", str(seq), str(record.seq)
            # Told once, and not again for every record after it.
            self._shift = record.seq - seq
        if record.ts < self._last:
            yield "ts is before that of the record before", f">= {self._last}", record.ts
        self._last = max(self._last, record.ts)
        if (record.type == "genesis") != (seq == 0):
            yield "genesis is the type of the first record and of no other", "", record.type
        yield from self._check_id(record)
        for digest in (*record.inputs.values(), *record.outputs.values()):
            self.blobs.setdefault(digest, seq)

    def _check_id(self, record: Record) -> Iterator[tuple[str, str, str]]:
        paired = record.type in ("intent", "outcome")
        if not record.id:
            if paired:
                yield f"an {record.type} has an id", "an id", "none"
            return
        key = (record.type, record.id)
        if key in self._runs:
            yield f"a second {record.type} with the id {record.id!r}", "one", "two"
            return
        self._runs[key] = record.run_id
        if record.type == "intent":
            self._intents += 1
        if record.type == "outcome":
            self._outcomes += 1
            run = self._runs.get(("intent", record.id))
            if run != record.run_id and (self.complete or run is not None):
                yield (
                    f"outcome {record.id!r} has no earlier intent of its run",
                    f"an intent of run {record.run_id!r}",
                    "none" if run is None else f"one of run {run!r}",
                )

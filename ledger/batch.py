"""Giving drafts their place: which become lines, and which are there already.

Pure but for looking ids up: a `Batch` takes the end of the ledger and the drafts of one or more
callers, and holds the lines to write. A caller whose drafts break a rule gets the error, and none
of its drafts is written; the others are not affected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from ledger import canonical
from ledger.errors import ConfigError, LedgerError, StorageError
from ledger.index import run_of, tag_of
from ledger.record import Draft, check_draft, content, seal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ledger.digest import Digest
    from ledger.index import Place
    from ledger.record import Record
    from ledger.tail import Tail

_PAIRED: Final = ("intent", "outcome")


class DuplicateIdError(ConfigError):
    """Another record has this type and id."""

    code = "E0132"


class UnpairedOutcomeError(ConfigError):
    """An outcome without an earlier intent of its id and run."""

    code = "E0133"


class InvalidDraftError(ConfigError):
    """A draft of a type that a caller does not append, or without the id it needs."""

    code = "E0134"


class Receipt(NamedTuple):
    """Where a record stands: evidence for whoever keeps it that the record was there."""

    seq: int
    hash: Digest
    id: str


class Item(NamedTuple):
    """A line to write. `tag` is empty when the record has no id."""

    line: bytes
    receipt: Receipt
    tag: bytes
    run: int
    draft: Draft


class Lookup(Protocol):
    """What a batch asks about records that are in the ledger."""

    def find(self, tag: bytes) -> tuple[Place, int] | None:
        """Return place and run of a record, or None."""

    def read(self, place: Place) -> Record:
        """Return the record at a place."""


@dataclass(slots=True, eq=False)
class Ticket:
    """The drafts of one caller and what became of them.

    The receipts are there only when the records are durable.
    """

    drafts: tuple[Draft, ...]
    receipts: list[Receipt] | None = None
    error: LedgerError | None = None
    done: bool = False

    def result(self) -> list[Receipt]:
        """Return the receipts, or raise what went wrong."""
        if self.error is not None:
            raise self.error
        if self.receipts is None:
            raise StorageError(
                what="the append was interrupted",
                where=f"{len(self.drafts)} drafts",
                why="the thread that wrote for this one was stopped",
                fix="open the log again and append the same drafts: what is there is not repeated",
            )
        return self.receipts


class Batch:
    """Lines to be written together after `tail`, all with the same `ts`."""

    def __init__(self, tail: Tail, ts: str, lookup: Lookup) -> None:
        self.items: list[Item] = []
        self._seq, self._head = tail.count, tail.head
        self.ts = ts
        self._lookup = lookup
        self._new: dict[bytes, Item] = {}

    def add(self, drafts: Iterable[Draft]) -> list[Receipt]:
        """Place all `drafts`, or none and raise the reason.

        The receipts hold once the lines are durable.
        """
        before, seq, head = len(self.items), self._seq, self._head
        try:
            return [self._place(draft) for draft in drafts]
        except LedgerError:
            for item in self.items[before:]:
                self._new.pop(item.tag, None)
            del self.items[before:]
            self._seq, self._head = seq, head
            raise

    def write(self, draft: Draft) -> Receipt:
        """Place a draft of the log itself, which has no id."""
        return self._seal(draft, b"")

    def _place(self, draft: Draft) -> Receipt:
        check_draft(draft)
        if draft.type == "genesis":
            raise _invalid(draft, "only Log.create writes a genesis record")
        if not draft.id:
            if draft.type in _PAIRED:
                raise _invalid(draft, f"an {draft.type} is found by its id")
            return self._seal(draft, b"")
        tag = tag_of(draft.type, draft.id)
        receipt = self._repeat(draft, tag)
        if receipt is not None:
            return receipt
        if draft.type == "outcome":
            self._require_intent(draft)
        return self._seal(draft, tag)

    def _seal(self, draft: Draft, tag: bytes) -> Receipt:
        seq = self._seq
        line, digest = seal(draft, seq=seq, ts=self.ts, prev_hash=self._head)
        receipt = Receipt(seq, digest, draft.id)
        item = Item(line, receipt, tag, run_of(draft.run_id), draft)
        self.items.append(item)
        self._seq, self._head = seq + 1, digest
        if tag:
            self._new[tag] = item
        return receipt

    def _repeat(self, draft: Draft, tag: bytes) -> Receipt | None:
        """Return the receipt of an equal record that is there already."""
        if (item := self._new.get(tag)) is not None:
            return _same(draft, item.draft, item.receipt)
        found = self._lookup.find(tag)
        if found is None:
            return None
        record = self._lookup.read(found[0])
        return _same(draft, record, Receipt(record.seq, record.hash, record.id))

    def _require_intent(self, draft: Draft) -> None:
        tag = tag_of("intent", draft.id)
        item = self._new.get(tag)
        found = self._lookup.find(tag) if item is None else None
        run = item.run if item else found[1] if found else None
        if run != run_of(draft.run_id):
            raise UnpairedOutcomeError(
                what=f"no intent {draft.id!r} in run {draft.run_id!r}",
                where=f"outcome {draft.id!r}",
                why="an outcome answers an intent that was durable before the work began",
                fix="append the intent first; use the same id and run_id for both",
            )


def comparable(draft: Draft | Record) -> bytes:
    """Return what two drafts must share to be the same: all but the place and `data.observed`."""
    chosen = content(draft)
    rest = {name: value for name, value in draft.data.items() if name != "observed"}
    return canonical.dumps({**chosen, "type": draft.type, "data": rest})


def _same(draft: Draft, other: Draft | Record, receipt: Receipt) -> Receipt:
    if not _is_repeated(draft, other):
        raise DuplicateIdError(
            what=f"{draft.type} {draft.id!r} is in the ledger with other content",
            where=f"seq {receipt.seq}, hash {receipt.hash}",
            why="a type and an id name one record; a retry repeats the same draft",
            fix="give another attempt another id, such as <run_id>/<step>/<ordinal>/<attempt>",
        )
    return receipt


def _is_repeated(draft: Draft, other: Draft | Record) -> bool:
    if isinstance(other, Draft) or not other.redacted:
        return comparable(draft) == comparable(other)
    # Of a record whose content was erased the hash is left to compare with.
    _, digest = seal(draft, seq=other.seq, ts=other.ts, prev_hash=other.prev_hash)
    return digest == other.hash


def _invalid(draft: Draft, why: str) -> InvalidDraftError:
    return InvalidDraftError(
        what=f"cannot append a draft of type {draft.type}",
        where=f"id {draft.id!r}",
        why=why,
        fix="correct the draft; nothing was written",
    )

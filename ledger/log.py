"""The append-only log: the only code that extends a ledger.

States of a `Log`::

    open  --append-->  open
    open  --an operation of the disk failed-->  poisoned  (every later append is refused)
    open  --close-->  closed

An append, under the lock: look at what others appended, cut a torn tail, give each draft its place,
write all lines with one system call, wait for `fdatasync`, enter the ids, release the lock. Threads
of one process share these steps: whoever comes first writes for all that wait.

Invariants
----------
1. When `append` returns, its records are durable; a record that was acknowledged is never cut.
2. A type and an id name one record. Appending an equal draft again returns the receipt of the
   record that is there; what differs under `data.observed` does not count, the first stands.
3. An outcome has an earlier intent with its id and run, and is the only one.
4. `ts` never decreases. A clock that stands behind the last record is not followed: the record
   gets the time of the one before, and a `recovery` record says so if it is more than a second.
5. Opening reads a bounded number of bytes, however long the ledger is.
6. After an error of the disk nothing is written through the same handle: `fdatasync` is not
   tried again, because the kernel may have dropped what it could not write.

Known limits: the ids of a segment that was moved away are not known any more once the table of ids
was built again.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Self, TypeAlias

from ledger import chain, checkpoints, durable, segments, tail
from ledger.batch import Batch, Ticket
from ledger.digest import ZERO
from ledger.errors import AlreadyThereError, ConfigError, LedgerError, StorageError
from ledger.ids import Ids
from ledger.index import Place, Position
from ledger.keys import ED25519, MLDSA, SigningKey, WrongKeyError
from ledger.lock import Lock, refuse_network
from ledger.record import Draft, seal
from ledger.signer import Signer, refuse_second_ledger

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from ledger.batch import Item, Receipt
    from ledger.checkpoint import Checkpoint
    from ledger.digest import Digest
    from ledger.keys import VerifyKey
    from ledger.record import Record

Clock: TypeAlias = Callable[[], datetime]

_TOLERATED: Final = timedelta(seconds=1)


class ClockError(ConfigError):
    """The clock gave a time without zone."""

    code = "E0129"


class ClosedLogError(ConfigError):
    """The log was closed."""

    code = "E0123"


@dataclass(frozen=True, slots=True)
class Head:
    """How many records the ledger has, and the hash of the last."""

    count: int
    hash: Digest


class Log:
    """A ledger opened for appending. Make one with `create` or `open`."""

    def __init__(
        self,
        root: Path,
        *,
        clock: Clock,
        wait_seconds: float,
        cosigners: Sequence[SigningKey] = (),
    ) -> None:
        self._root = root
        self._cosigners = tuple(cosigners)
        self._clock = clock
        self._wait_seconds = wait_seconds
        self._genesis = segments.read_genesis(root)
        self._ids = Ids(root)
        self._queue: deque[Ticket] = deque()
        self._mutex = threading.Lock()
        self._signer = Signer(root, self._genesis.origin)
        self._signed_size = 0
        self._signed_at: datetime | None = None
        self._recovered: list[Draft] = []
        self._fault = ""
        self._behind = False
        self._active = str(root / segments.ACTIVE)
        self._descriptor = -1
        self._identity = (-1, -1)
        self._tail: tail.Tail | None = None
        self._lock = Lock(root / "lock")

    @classmethod
    def create(
        cls,
        root: Path,
        *,
        origin: str,
        key: VerifyKey | SigningKey,
        clock: Clock,
        wait_seconds: float = 0,
        segment_records: int = segments.RECORDS,
        cosigner: SigningKey | None = None,
    ) -> Log:
        """Make a ledger in `root` with its genesis record, and open it.

        Given the signing key, the first checkpoint is signed too; without, `verify` reports a
        ledger without checkpoint until the first one is. The public half of `cosigner`, an
        ML-DSA-44 key, is pinned beside it, and it signs every checkpoint of the log returned.

        Raises
        ------
        ConfigError
            If there is a ledger already, or the key is not named by the origin.
        InconsistentCheckpointError
            If the key signed a ledger before.
        """
        verify_key = key.verify_key if isinstance(key, SigningKey) else key
        _check_creation(root, origin, verify_key, segment_records)
        if cosigner is not None:
            _check_cosigner(root, origin, cosigner)
        if isinstance(key, SigningKey):
            refuse_second_ledger(root, key)
        durable.make_folder(root)
        refuse_network(root)
        durable.create(root / "lock", b"", mode=0o644)
        pinned = {
            "format": segments.FORMAT,
            "origin": origin,
            "segment": segment_records,
            "vkey": verify_key.text,
        }
        cosigners = [cosigner] if cosigner else []
        if cosigner:
            pinned["cosigner"] = cosigner.verify_key.text
        draft = Draft(type="genesis", run_id="", step="", id="", data=pinned)
        line, _ = seal(draft, seq=0, ts=_stamp(clock()), prev_hash=ZERO)
        if not durable.create(root / segments.ACTIVE, line, mode=0o644):
            raise _exists(root)
        log = cls.open(root, clock=clock, wait_seconds=wait_seconds, cosigners=cosigners)
        if isinstance(key, SigningKey):
            log.checkpoint(key)
        return log

    @classmethod
    def open(
        cls,
        root: Path,
        *,
        clock: Clock,
        wait_seconds: float = 0,
        cosigners: Sequence[SigningKey] = (),
    ) -> Log:
        """Open the ledger in `root`, cutting a torn tail.

        Parameters
        ----------
        root : Path
            The folder with `audit.jsonl`.
        clock : Callable[[], datetime]
            Gives the time of records, with a time zone.
        wait_seconds : float
            How long `open` and `append` wait for the lock.
        cosigners : sequence of SigningKey
            Sign every checkpoint besides the keys that `checkpoint` is given.

        Raises
        ------
        LockedError
            If another process holds the lock for longer.
        IntegrityError
            If the last record is altered, or the ledger is shorter than its newest checkpoint.
        """
        refuse_network(root)
        log = cls(root, clock=clock, wait_seconds=wait_seconds, cosigners=cosigners)
        with contextlib.ExitStack() as stack:
            stack.callback(log.close)
            with log._locked():
                stack.pop_all()
        return log

    @property
    def origin(self) -> str:
        """The name of the ledger, as the genesis record pins it."""
        return self._genesis.origin

    @property
    def path(self) -> Path:
        """The folder of the ledger."""
        return self._root

    def append(self, drafts: Sequence[Draft]) -> list[Receipt]:
        """Append `drafts` in order and return a receipt for each, once they are durable.

        All drafts of a call are written, or none. A crash while the call runs may leave some of
        them, in order from the first; appending the same drafts again completes them.

        Raises
        ------
        UnrecordableError, DuplicateIdError, UnpairedOutcomeError, InvalidDraftError
            If a draft breaks a rule; nothing of this call was written.
        LockedError
            If the lock was not to be had; nothing was written.
        StorageError
            If the disk refused; what was written is unknown, and the log is of no more use.
        """
        ticket = Ticket(tuple(drafts))
        self._after_fork()
        self._queue.append(ticket)
        with self._mutex:
            if not ticket.done:
                self._commit()
        return ticket.result()

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Record]:
        """Yield the records from seq `start` up to, not including, `stop`.

        Each record is checked to state its own hash and that of the record before; its spelling
        is not checked again, which is what `verify` is for.

        Raises
        ------
        IntegrityError
            At the first record that does not hold.
        """
        return chain.read_records(self._root, start, stop)

    def head(self) -> Head:
        """Return the number of records and the last hash, as the disk has them now."""
        self._after_fork()
        with self._mutex, self._locked():
            return Head(self._end.count, self._end.head)

    def checkpoint(self, key: SigningKey, *more: SigningKey) -> Checkpoint:
        """Sign the ledger as it is now, keep the note, and return it.

        Raises
        ------
        InconsistentCheckpointError
            If the ledger does not extend what was signed before.
        BrokenChainError
            If a record that is not yet under a checkpoint does not hold.
        """
        self._after_fork()
        with self._mutex, self._locked():
            return self._sign((key, *more))

    def checkpoint_if_due(
        self, key: SigningKey, *more: SigningKey, records: int = 1024, seconds: float = 60
    ) -> Checkpoint | None:
        """Sign if that is due, and return the checkpoint; None if it is not.

        It is due when `records` are under no checkpoint, or when any is and this log signed
        nothing for `seconds`. Call it after an append while a flow is open.
        """
        self._after_fork()
        with self._mutex, self._locked():
            uncovered = self._end.count - self._signed_size
            waited = self._signed_at is None or self._clock() - self._signed_at >= timedelta(
                seconds=seconds
            )
            return self._sign((key, *more)) if uncovered >= (1 if waited else records) else None

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock: nobody appends or closes a segment meanwhile."""
        self._after_fork()
        with self._mutex, self._locked():
            yield

    @contextlib.contextmanager
    def rewriting(self) -> Iterator[None]:
        """Hold the lock while a file is replaced by another of the same records, longer or shorter.

        The table of ids is emptied before, for lines move; other processes notice that the active
        segment is another file.
        """
        with self.held():
            self._ids.forget()
            yield

    def close(self) -> None:
        """Let all files go; closing twice is allowed."""
        self._ids.close()
        self._lock.close()
        self._reopen(-1)
        self._fault = self._fault or "closed"

    def __enter__(self) -> Self:
        """Return the log."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the log."""
        self.close()

    # The rest runs in one thread at a time, under the lock of the ledger.

    def _sign(self, keys: tuple[SigningKey, ...]) -> Checkpoint:
        more = [key for key in self._cosigners if key not in keys]
        signed = self._signer.sign(self._end, (*keys, *more))
        self._signed_size, self._signed_at = signed.size, self._clock()
        return signed

    def _after_fork(self) -> None:
        # A child shares the descriptors of its parent, and with them the lock: it opens its own.
        # The mutex may have been held by a thread that the child does not have.
        if os.getpid() == self._lock.process:
            return
        self._mutex = threading.Lock()
        self._queue.clear()
        self._lock.close()
        self._lock = Lock(self._root / "lock")
        self._reopen(-1)
        self._ids = Ids(self._root)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        if self._fault:
            raise _unusable(self._root, self._fault)
        with self._lock.held(self._wait_seconds):
            try:
                self._settle()
            except OSError as error:
                raise durable.refused(self._active, "cannot read the ledger", error) from error
            if self._recovered:
                self._write(self._begin_batch())
            yield

    def _commit(self) -> None:
        """Write what all waiting threads brought; leave its result in each ticket."""
        tickets = [self._queue.popleft() for _ in range(len(self._queue))]
        try:
            with self._locked():
                batch = self._begin_batch()
                receipts = [_place(ticket, batch) for ticket in tickets]
                self._write(batch)
            for ticket, placed in zip(tickets, receipts, strict=True):
                ticket.receipts = placed
        except LedgerError as error:
            for ticket in tickets:
                ticket.error = ticket.error or error
        finally:
            for ticket in tickets:
                ticket.done = True

    def _settle(self) -> None:
        """Bring the tail up to what is on the disk, and cut what is torn."""
        self._follow()
        size = os.fstat(self._descriptor).st_size
        if self._tail is None or size != self._tail.size:
            self._read_tail(size)

    def _follow(self) -> None:
        """Open the active segment, again if another process closed the one that is open."""
        try:
            found = os.stat(self._active)  # noqa: PTH116 - once for each append
        except FileNotFoundError:
            segments.finish_closing(self._root)
            found = os.stat(self._active)  # noqa: PTH116 - once for each append
        if (found.st_dev, found.st_ino) != self._identity:
            self._reopen(os.open(self._active, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC))
            self._identity = (found.st_dev, found.st_ino)

    def _reopen(self, descriptor: int) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = descriptor
        self._identity = (-1, -1)
        self._tail = None

    def _read_tail(self, size: int) -> None:
        known = self._tail
        first = segments.list_segments(self._root)[-1].first if known is None else known.first
        before = tail.summary_before(self._root, first, self._genesis.segment)
        found = tail.read_tail(self._descriptor, size, before, where=self._active)
        self._refuse_if_cut(found)
        self._tail = found
        if found.size < size:
            self._recover(size)

    def _refuse_if_cut(self, found: tail.Tail) -> None:
        """Refuse to go on with a ledger that is shorter than it was."""
        known = self._tail.count if self._tail else 0
        newest = checkpoints.read_newest(self._root) if self._tail is None else None
        if found.count < max(known, newest.size if newest else 0):
            raise segments.MalformedLedgerError(
                what=f"the ledger has {found.count} records, fewer than it had",
                where=self._active,
                why=f"this log saw {known}, the newest checkpoint "
                f"covers {newest.size if newest else 0}",
                fix="run `python -m ledger verify`; restore the missing records from a copy",
            )

    def _recover(self, size: int) -> None:
        stated = tail.cut(self._descriptor, self._root, self._end, size, where=self._active)
        self._recovered.append(_recovery(stated))

    def _begin_batch(self) -> Batch:
        """Return a batch that begins with what the log itself has to say."""
        self._sync_ids()
        now, last = _stamp(self._clock()), self._end.ts
        batch = Batch(self._end, max(now, last), self._ids)
        for draft in self._recovered:
            batch.write(draft)
        behind = now < last and _parse(last) - _parse(now) > _TOLERATED
        if behind and not self._behind:
            batch.write(_recovery({"reason": "clock behind", "clock": now, "last": last}))
        self._behind = behind
        return batch

    def _sync_ids(self) -> None:
        """Bring the ids up to the tail; a tail that a power failure left in pieces shows here."""
        torn = self._ids.sync(self._end)
        if torn is not None:
            size = self._end.size
            self._tail = None
            self._read_tail(torn.offset)
            self._recover(size)
            self._ids.sync(self._end)

    def _write(self, batch: Batch) -> None:
        """Write the lines of `batch`, closing segments that become full."""
        items = batch.items
        while items:
            if not self._room:
                segments.close_active(self._root, self._end.first)
                self._follow()
                self._read_tail(0)
            part, items = items[: self._room], items[self._room :]
            self._write_part(part, batch.ts)
        self._recovered.clear()

    def _write_part(self, items: list[Item], ts: str) -> None:
        # Set before, taken back after: whatever stops this thread in between leaves the mark.
        self._fault = "an append failed or was interrupted"
        lines = b"".join([item.line for item in items])
        durable.append(self._descriptor, lines, where=self._active)
        self._fault = ""
        first, offset = self._end.first, self._end.size
        entries = []
        for line, _, tag, run, _ in items:
            if tag:
                entries.append((tag, Place(first, offset), run))
            offset += len(line)
        last = items[-1].receipt
        self._tail = tail.Tail(first, last.seq + 1, last.hash, ts, offset)
        self._ids.enter(entries, Position(Place(first, offset), bytes.fromhex(last.hash)))

    @property
    def _room(self) -> int:
        """How many records the active segment still takes."""
        return self._end.first + self._genesis.segment - self._end.count

    @property
    def _end(self) -> tail.Tail:
        if self._tail is None:
            message = "settle first"
            raise RuntimeError(message)
        return self._tail


def _place(ticket: Ticket, batch: Batch) -> list[Receipt] | None:
    """Place the drafts of one caller; an error is that caller's alone."""
    try:
        return batch.add(ticket.drafts)
    except LedgerError as error:
        ticket.error = error
        return None


def _recovery(stated: dict[str, object]) -> Draft:
    return Draft(type="recovery", run_id="", step="", id="", data=stated)


def _stamp(now: datetime) -> str:
    """Return a time as records state it: UTC, always 27 characters."""
    if now.tzinfo is None:
        raise ClockError(
            what="the clock gave a time without zone",
            where=repr(now),
            why="records state UTC; a time without zone could be any",
            fix="pass a clock such as lambda: datetime.now(UTC)",
        )
    return now.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _parse(ts: str) -> datetime:
    return datetime.fromisoformat(ts)


def _check_creation(root: Path, origin: str, key: VerifyKey, segment_records: int) -> None:
    if root.exists() and segments.list_segments(root):
        raise _exists(root)
    if key.name != origin or key.algorithm != ED25519:
        raise WrongKeyError(
            what=f"expected an Ed25519 key of {origin!r}, found one of {key.name!r}",
            where=str(root),
            why="the name of a log's key is the origin of the log",
            fix="generate the key with the origin as its name",
        )
    if segment_records < 1 or segment_records & (segment_records - 1):
        raise ConfigError(
            what=f"expected a power of two, found {segment_records}",
            where="segment_records",
            why="a closed segment is a perfect subtree",
            fix=f"leave it at {segments.RECORDS}",
        )


def _check_cosigner(root: Path, origin: str, key: SigningKey) -> None:
    if key.name != origin or key.algorithm != MLDSA:
        raise WrongKeyError(
            what=f"expected an ML-DSA-44 key of {origin!r}, found one of {key.name!r}",
            where=str(root),
            why="the second key of a log bears its name and is safe against quantum computers",
            fix="generate it with `--mldsa` and the origin as its name",
        )


def _exists(root: Path) -> AlreadyThereError:
    return AlreadyThereError(
        what="a ledger is there already",
        where=str(root),
        why="a ledger is never overwritten",
        fix="open it, or choose another folder",
    )


def _unusable(root: Path, fault: str) -> LedgerError:
    if fault == "closed":
        return ClosedLogError(
            what="the log is closed",
            where=str(root),
            why="close was called",
            fix="open the log again",
        )
    return StorageError(
        what="the log is of no more use",
        where=str(root),
        why=f"{fault}; what reached the disk is unknown",
        fix="open the log again: it reads what is there and cuts what is torn",
    )

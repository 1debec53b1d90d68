"""Random histories of a ledger: no false alarm while it is honest, no miss once it is not.

Hypothesis draws what happens: appends, crashes at any byte, rotations of segments and keys,
erasures, compressions, checkpoints, cosignatures. After each step the verifier must find nothing
with everything that it can bring, and after each attack it must find something, and the attack is
taken back.

`fdatasync` and `fsync` do nothing here: a crash is played by what it leaves on the disk, and the
synchronising itself is what `test_faults` and `test_durable` look at.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ledger import (
    BlobStore,
    Draft,
    IntegrityError,
    Log,
    SigningKey,
    Witness,
    add_cosignature,
    checkpoints,
    compress,
    durable,
    erase_blob,
    erase_line,
    make_request,
    parse_policy,
    segments,
    sign_change,
    verify,
)
from ledger.keys import COSIGNATURE
from ledger.record import splice
from tests.ledger.conftest import ORIGIN, Clock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger import Digest

MEMORY = Path("/dev/shm")  # noqa: S108 - mkdtemp makes the folder
KEYS = [SigningKey(ORIGIN, bytes([number]) * 32) for number in range(1, 5)]
WITNESS = SigningKey("example.org/witness", bytes([9]) * 32, COSIGNATURE)
GROUND = {"ground": "erasure on request", "by": "compliance"}


def scratch() -> str:
    """Return a new folder, in memory where the machine has one."""
    return tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None)


class Honest(RuleBasedStateMachine):
    """One ledger, what its verifier brings, and all that may lawfully happen to it."""

    looks_after_each_step = True

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(scratch())
        self.root, self.seen = self.folder / "ledger", self.folder / "auditor" / "seen"
        self.store = BlobStore(self.folder / "blobs")
        self.clock = Clock()
        self.keys = [KEYS[0]]
        self.receipts: list[tuple[int, Digest]] = []
        self.drafts: list[Draft] = []
        self.erasable: list[int] = []
        self.blobs: list[Digest] = []
        self.number = 0
        self.stack = contextlib.ExitStack()
        self.patch = self.stack.enter_context(pytest.MonkeyPatch.context())
        self.patch.setattr(durable, "_datasync", lambda _: None)
        self.patch.setattr(os, "fsync", lambda _: None)
        # Nobody else is at work here that one could wait for.
        self.patch.setattr(time, "sleep", lambda _: None)

    @initialize(records=st.sampled_from([1, 2, 4, 8]))
    def create(self, records: int) -> None:
        """Make the ledger, with segments of any size."""
        self.log = Log.create(
            self.root, origin=ORIGIN, key=KEYS[0], clock=self.clock, segment_records=records
        )
        witness = WITNESS.verify_key
        self.witness = Witness(
            self.folder / "w", key=WITNESS, logs=[k.verify_key for k in KEYS], clock=self.clock
        )
        lines = [f"log {key.verify_key.text}" for key in KEYS[:1]]
        self.policy = parse_policy(
            "\n".join([*lines, f"witness w {witness.text}", "quorum w", ""]).encode()
        )

    def teardown(self) -> None:
        """Look a last time, and leave nothing behind."""
        try:
            if hasattr(self, "log"):
                self.look_for_findings()
                self.log.close()
        finally:
            self.stack.close()
            shutil.rmtree(self.folder)

    # What may happen.

    def draft(self, kind: str) -> Draft:
        """Return a new draft; one in three names a blob."""
        self.number += 1
        name = f"r/{self.number}"
        blob = {}
        if self.number % 3 == 0:
            digest = self.store.put(b"%d" % (self.number % 7))
            blob = {"b": digest}
            self.blobs.append(digest)
        return Draft(type=kind, run_id="r", step="s", id=name, inputs=blob, data={"n": self.number})

    def append_all(self, drafts: list[Draft]) -> None:
        """Append, and remember what may be erased and what must not be lost."""
        receipts = self.log.append(drafts)
        self.receipts += [(each.seq, each.hash) for each in receipts]
        self.drafts += drafts
        self.erasable += [each.seq for each in receipts]

    @rule(kinds=st.lists(st.sampled_from(["note", "pair", "intent"]), min_size=1, max_size=4))
    def append(self, kinds: list[str]) -> None:
        """Append notes, open intents and answered ones; and again: nothing is written twice."""
        drafts: list[Draft] = []
        for kind in kinds:
            draft = self.draft("note" if kind == "note" else "intent")
            drafts.append(draft)
            if kind == "pair":
                answer = {"type": "outcome", "run_id": "r", "step": "s", "id": draft.id}
                drafts.append(Draft(**answer, status="ok"))  # type: ignore[arg-type]
        self.append_all(drafts)
        count = self.log.head().count
        self.log.append(drafts)
        assert self.log.head().count == count

    @rule(cut=st.integers(0, 10_000), nul=st.booleans())
    def crash_while_appending(self, cut: int, nul: bool) -> None:  # noqa: FBT001
        """Cut the file at any byte of a batch that nobody was told of; sometimes with NULs."""
        self.sign()
        path = self.root / segments.ACTIVE
        before = (path.stat().st_ino, path.stat().st_size)
        self.log.append([self.draft("note"), self.draft("note")])
        path = self.root / segments.ACTIVE
        size = path.stat().st_size
        if path.stat().st_ino != before[0]:
            before = (0, 0)
        length = size - before[1]
        at = before[1] + cut % (length + 1)
        os.truncate(path, at)
        if nul and at < size:
            os.truncate(path, size)
        self.reopen()

    @precondition(lambda self: self.drafts)
    @rule(at=st.integers(0, 100))
    def repeat(self, at: int) -> None:
        """Append something again that is there, or whose content was erased: its receipt stands."""
        number = at % len(self.drafts)
        (receipt,) = self.log.append([self.drafts[number]])
        assert (receipt.seq, receipt.hash) == self.receipts[number]

    @rule(clean=st.booleans())
    def reopen_without_cache(self, clean: bool) -> None:  # noqa: FBT001
        """Open the log again, sometimes after the cache was deleted."""
        if clean:
            shutil.rmtree(self.root / "cache", ignore_errors=True)
        self.reopen()

    def reopen(self) -> None:
        """Open the log as after a crash."""
        self.log.close()
        self.log = Log.open(self.root, clock=self.clock)

    @rule()
    def sign(self) -> None:
        """Sign a checkpoint."""
        self.log.checkpoint(self.keys[-1])

    @rule()
    def crash_while_signing(self) -> None:
        """The newest checkpoint is kept under its size, and its second file is an older one."""
        older = (self.root / "checkpoint").read_bytes()
        self.sign()
        (self.root / "checkpoint").write_bytes(older)
        self.reopen()

    @rule(step=st.integers(0, 1))
    def crash_while_closing(self, step: int) -> None:
        """A full segment got its closed name, and nothing or only its summary came after."""
        path = self.root / segments.ACTIVE
        lines = path.read_bytes().count(b"\n")
        found = segments.list_segments(self.root)[-1]
        if lines != segments.read_genesis(self.root).segment:
            return
        self.log.close()
        summary = segments.summarize(found)
        path.chmod(0o444)
        path.rename(self.root / f"audit-{found.first:012d}.jsonl")
        if step:
            segments.write_summary(self.root, summary)
        kinds = {each.kind for each in verify(self.root).findings}
        assert kinds <= {"torn"}
        self.log = Log.open(self.root, clock=self.clock)

    @precondition(lambda self: len(self.keys) < len(KEYS))
    @rule()
    def rotate_key(self) -> None:
        """Add a key and retire the one before."""
        old, new = self.keys[-1], KEYS[len(self.keys)]
        self.sign()
        self.log.append([sign_change("add", new.verify_key, ORIGIN, old, new)])
        self.log.append([sign_change("retire", old.verify_key, ORIGIN, new)])
        self.keys.append(new)
        self.sign()

    @precondition(lambda self: self.erasable)
    @rule(at=st.integers(0, 100))
    def erase_record(self, at: int) -> None:
        """Erase the content of a record, again too; its hash stays."""
        self.sign()
        seq = self.erasable[at % len(self.erasable)]
        erase_line(self.log, seq, self.keys[-1], **GROUND)

    @precondition(lambda self: self.blobs)
    @rule(at=st.integers(0, 100))
    def erase_bytes(self, at: int) -> None:
        """Erase a blob."""
        self.sign()
        digest = self.blobs[at % len(self.blobs)]
        erase_blob(self.log, self.store, digest, self.keys[-1], **GROUND)

    @rule()
    def compress_segments(self) -> None:
        """Compress what is closed."""
        compress(self.log)

    @rule()
    def cosign(self) -> None:
        """Let the witness cosign the newest checkpoint."""
        known = self.folder / "w"
        size = 0
        for path in known.glob("*") if known.is_dir() else ():
            if path.name != "lock":
                size = int(path.read_bytes().split(b"\n")[1])
        answer = self.witness.add_checkpoint(make_request(self.root, size))
        add_cosignature(self.root, answer, WITNESS.verify_key)
        assert verify(self.root, policy=self.policy).trust == "witnessed"

    @rule()
    def look(self) -> None:
        """The auditor verifies and remembers."""
        assert verify(self.root, last_seen=self.seen).ok

    # What must never be found.

    @invariant()
    def nothing_is_found(self) -> None:
        """After each step, or at the end only."""
        if self.looks_after_each_step and hasattr(self, "log"):
            self.look_for_findings()

    def look_for_findings(self) -> None:
        """Verify at both levels, with blobs and the pinned key; and no record is lost."""
        for report in (
            verify(self.root, blobs=self.store.root, keys=[KEYS[0].verify_key]),
            verify(self.root, level="fast"),
        ):
            assert report.ok, report.to_text()
        if self.receipts:
            seq, digest = self.receipts[len(self.receipts) // 2]
            assert next(self.log.read(seq, seq + 1)).hash == digest


def is_cosigned(path: Path) -> bool:
    """Return whether a note has a second signature."""
    return path.parent.name == "checkpoints" and path.read_bytes().count(b"\n\xe2\x80\x94 ") > 1


class Attacked(Honest):
    """The same, and somebody who changes what is on the disk."""

    @contextlib.contextmanager
    def attacked(self) -> Iterator[None]:
        """Take back whatever is done to the ledger."""
        copy = self.folder / "copy"
        shutil.copytree(self.root, copy)
        try:
            yield
        finally:
            shutil.rmtree(self.root)
            copy.rename(self.root)
            self.log.close()
            self.log = Log.open(self.root, clock=self.clock)

    def covered_file(self, at: int) -> Path:
        """Return a file that is evidence and that a checkpoint covers."""
        # What a summary says of a file is not compared once a line of the file was erased.
        erased = any(record.redacted for record in self.log.read())
        kinds = ("audit*.jsonl", "checkpoints/*", *(() if erased else ("segments/*",)))
        paths = sorted(path for kind in kinds for path in self.root.glob(kind))
        # A cosignature of a witness whom the verifier does not know is left aside, as C2SP asks.
        paths = [path for path in paths if path.stat().st_size > 0 and not is_cosigned(path)]
        return paths[at % len(paths)]

    @rule(file=st.integers(0, 100), at=st.integers(0, 100_000), bit=st.integers(0, 7))
    def flip_a_bit(self, file: int, at: int, bit: int) -> None:
        """In any file that is evidence."""
        self.sign()
        with self.attacked():
            path = self.covered_file(file)
            data = bytearray(path.read_bytes())
            data[at % len(data)] ^= 1 << bit
            path.chmod(0o644)
            path.write_bytes(data)
            keys = [KEYS[0].verify_key]
            assert not verify(self.root, keys=keys).ok, (path, at % len(data), bit)
            if path.parent.name != "segments":
                assert not verify(self.root, level="fast", keys=keys).ok, path

    @rule(lines=st.integers(1, 6))
    def cut_below_a_checkpoint(self, lines: int) -> None:
        """Whole lines are gone from the end."""
        self.sign()
        with self.attacked():
            path = self.root / segments.ACTIVE
            rest = path.read_bytes().splitlines(keepends=True)
            if not rest:
                return
            path.write_bytes(b"".join(rest[:-lines]))
            assert not verify(self.root).ok
            with pytest.raises(IntegrityError):
                Log.open(self.root, clock=self.clock).checkpoint(self.keys[-1])

    @rule()
    def seal_again(self) -> None:
        """The last record is another one, under a right hash and link."""
        self.sign()
        with self.attacked():
            path = self.root / segments.ACTIVE
            rest = path.read_bytes().splitlines(keepends=True)
            if not rest or b'"n":' not in rest[-1]:
                return
            body = rest[-1].rpartition(b',"hash":"')[0].replace(b'"n":', b'"m":') + b"}"
            path.write_bytes(b"".join([*rest[:-1], splice(body)[0]]))
            kinds = {each.kind for each in verify(self.root).findings}
            assert kinds == {"rewritten"}

    @rule()
    def roll_back(self) -> None:
        """An older state, complete with its checkpoints: only who has seen more can tell."""
        size = checkpoints.list_sizes(self.root)[0]
        self.sign()
        with self.attacked():
            assert verify(self.root, last_seen=self.seen).ok
            newest = checkpoints.list_sizes(self.root)[-1]
            if newest == size or (self.root / "audit-000000000000.jsonl.gz").exists():
                return
            first = min(self.root.glob("audit*.jsonl")).read_bytes()
            for path in [*self.root.glob("audit*"), *self.root.glob("segments/*")]:
                path.unlink()
            lines = first.splitlines(keepends=True)[:size]
            (self.root / segments.ACTIVE).write_bytes(b"".join(lines))
            for path in self.root.glob("checkpoints/*"):
                if int(path.name) > size:
                    path.unlink()
            kept = (self.root / f"checkpoints/{size:012d}").read_bytes()
            (self.root / "checkpoint").write_bytes(kept)
            if len(lines) == size:
                assert verify(self.root).ok
                assert verify(self.root, last_seen=self.seen).verdict == "rolled_back"


class Often(Honest):
    """Verified at the end only, so that many fit into a few minutes."""

    looks_after_each_step = False


def walk(machine: type[Honest], histories: int, steps: int) -> None:
    """Run a machine so many times, with at most so many steps each."""
    chosen = settings(
        max_examples=histories,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=[*HealthCheck],
    )
    run_state_machine_as_test(machine, settings=chosen)


def test_any_history_verifies_and_any_attack_is_found() -> None:
    """A bounded look in every run of the tests."""
    walk(Attacked, 20, 12)


@pytest.mark.slow
def test_attacks_on_hundreds_of_ledgers_are_all_found() -> None:
    """A bit, a cut, a seal or a roll-back after any history."""
    walk(Attacked, 500, 15)


@pytest.mark.slow
def test_ten_thousand_honest_ledgers_give_no_alarm() -> None:
    """Small ones, each with another history."""
    walk(Often, 10_000, 6)

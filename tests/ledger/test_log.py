"""The log: durable when it returns, one record for an id, one chain for many writers."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import (
    ZERO,
    ClosedLogError,
    ConfigError,
    Draft,
    DuplicateIdError,
    InvalidDraftError,
    LockedError,
    Log,
    NoLedgerError,
    SigningKey,
    StorageError,
    UnpairedOutcomeError,
    UnrecordableError,
    durable,
    parse_record,
    read_records,
    verify,
)
from ledger.lock import Lock
from tests.ledger.conftest import ORIGIN, Clock, decision, fill, note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ledger import (
        LedgerError,
        Receipt,
    )
    from tests.ledger.conftest import MakeLog

REPOSITORY = Path(__file__).parents[2]
WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from ledger import Draft, Log

root, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
log = Log.open(root, clock=lambda: datetime.now(UTC), wait_seconds=60)
print("open", flush=True)
for n in range(count):
    key = f"{name}/select/{n}/1"
    intent = Draft(type="intent", run_id=name, step="select", id=key)
    drafts = [intent, Draft(type="outcome", run_id=name, step="select", id=key)]
    print(log.append(drafts)[1].seq, flush=True)
"""


def start_writer(root: Path, name: str, count: int) -> subprocess.Popen[bytes]:
    """Start a process that appends so many decisions and prints the seq of each."""
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(root), name, str(count)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
    )


# Creating and opening.


def test_a_new_ledger_has_its_genesis_and_a_checkpoint(
    log: Log, root: Path, key: SigningKey
) -> None:
    """The first record pins origin, key and format."""
    (record,) = log.read()
    assert (record.seq, record.type, record.prev_hash) == (0, "genesis", ZERO)
    assert record.data == {
        "format": "assay-ledger/1",
        "origin": ORIGIN,
        "segment": 65_536,
        "vkey": key.verify_key.text,
    }
    assert (log.origin, log.path, log.head().count) == (ORIGIN, root, 1)
    assert verify(root).verdict == "ok"


def test_a_ledger_made_with_a_verifier_key_waits_for_its_first_checkpoint(
    make_log: MakeLog, root: Path, key: SigningKey
) -> None:
    """The flows may run without the signing key."""
    log = make_log(key=key.verify_key)
    assert verify(root).verdict == "missing"
    log.checkpoint(key)
    assert verify(root).verdict == "ok"


def test_a_ledger_is_never_overwritten(make_log: MakeLog, root: Path) -> None:
    """Neither when it is seen, nor when another process was faster."""
    make_log()
    before = (root / "audit.jsonl").read_bytes()
    with pytest.raises(ConfigError, match="there already"):
        make_log()
    assert (root / "audit.jsonl").read_bytes() == before


def test_another_process_may_be_faster_at_creating(
    make_log: MakeLog, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is made in one step, by one of them."""
    monkeypatch.setattr("ledger.log.segments.list_segments", lambda _: [])
    root.mkdir()
    (root / "audit.jsonl").write_bytes(b"x")
    with pytest.raises(ConfigError, match="there already"):
        make_log()


@pytest.mark.parametrize("options", [{"origin": "example.org/other"}, {"segment_records": 3}])
def test_a_ledger_that_could_not_work_is_not_made(
    make_log: MakeLog, root: Path, options: dict[str, object]
) -> None:
    """The key bears the origin, and a segment is a power of two."""
    with pytest.raises(ConfigError):
        make_log(**{"segment_records": 8, **options})
    assert not root.exists()


def test_opening_needs_a_ledger(root: Path, clock: Clock) -> None:
    """Exit code 2, and no file is made."""
    root.mkdir()
    with pytest.raises(NoLedgerError):
        Log.open(root, clock=clock)
    assert list(root.iterdir()) == []


def test_a_closed_log_appends_no_more(log: Log) -> None:
    """Closing twice is allowed."""
    with log as same:
        assert same is log
    log.close()
    with pytest.raises(ClosedLogError):
        log.append([note(1)])
    with pytest.raises(ClosedLogError):
        log.head()


# Appending.


def test_what_was_appended_is_read(log: Log, root: Path) -> None:
    """In order, linked, with the receipts that were given."""
    receipts = log.append([note(1), *decision(1), note(2)])
    records = list(log.read(1))
    assert [(each.seq, each.hash, each.id) for each in records] == receipts
    assert [each.data.get("n") for each in records] == [1, None, 1, 2]
    assert [each.prev_hash for each in records[1:]] == [each.hash for each in records[:-1]]
    assert [record.seq for record in log.read(2, 4)] == [2, 3]
    lines = (root / "audit.jsonl").read_bytes().splitlines(keepends=True)
    assert [parse_record(line) for line in lines] == list(log.read())


def test_one_call_is_one_write_and_one_sync(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many drafts."""
    calls: list[str] = []
    write, sync = os.write, durable._datasync

    def count_write(descriptor: int, data: bytes) -> int:
        calls.append("write")
        return write(descriptor, data)

    def count_sync(descriptor: int) -> None:
        calls.append("sync")
        sync(descriptor)

    monkeypatch.setattr(os, "write", count_write)
    monkeypatch.setattr(durable, "_datasync", count_sync)
    fill(log, 50)
    assert calls == ["write", "sync"]


def test_nothing_to_append_is_nothing(log: Log) -> None:
    """No record, no error."""
    assert log.append([]) == []
    assert log.head().count == 1


def test_a_batch_runs_over_as_many_segments_as_it_needs(
    make_log: MakeLog, root: Path, clock: Clock
) -> None:
    """And a second log follows."""
    log, other = make_log(4), Log.open(root, clock=clock, wait_seconds=1)
    receipts = fill(log, 10)
    assert [receipt.seq for receipt in receipts] == list(range(1, 21))
    assert other.append([note(1)])[0].seq == 21
    assert log.append([note(1)])[0].seq == 22
    assert len(list((root).glob("audit-*.jsonl"))) == 5
    assert verify(root).count == 23
    assert fill(other, 10) == receipts


@pytest.mark.parametrize("lost", ["summary", "active"])
def test_a_crash_between_two_segments_goes_on(
    make_log: MakeLog, root: Path, clock: Clock, lost: str
) -> None:
    """The active file was not made yet, and perhaps not the summary of the closed one."""
    make_log(2).append([note(1), note(2)])
    (root / "audit.jsonl").unlink()
    if lost == "summary":
        (root / "segments" / "000000000000").unlink()
    with Log.open(root, clock=clock) as log:
        assert log.append([note(3)])[0].seq == 2
    assert verify(root).verdict == "ok"


# Ids.


def test_a_retry_returns_the_receipts_it_had(log: Log, root: Path, clock: Clock) -> None:
    """In the same call, the same log, another log, and after the table of ids was lost."""
    first = log.append([*decision(1), *decision(1)])
    assert first[:2] == first[2:]
    assert log.append(decision(1)) == first[:2]
    assert Log.open(root, clock=clock).append(decision(1)) == first[:2]
    log.close()
    (root / "cache" / "ids").unlink()
    assert Log.open(root, clock=clock).append(decision(1)) == first[:2]
    assert verify(root).count == 3


def test_observations_may_differ_in_a_retry(log: Log) -> None:
    """The first stand: a duration is not part of what was decided."""
    intent, outcome = decision(1)
    first = replace(outcome, data={"n": 1, "observed": {"seconds": 1.5}})
    again = replace(outcome, data={"n": 1, "observed": {"seconds": 9.5}})
    assert log.append([intent, first])[1] == log.append([again])[0]
    assert list(log.read())[-1].data["observed"] == {"seconds": 1.5}


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "failed"},
        {"data": {"n": 99}},
        {"actor": "x"},
        {"step": "y"},
        {"inputs": {"a": ZERO}},
    ],
)
def test_an_id_with_another_content_is_refused(log: Log, changes: dict[str, object]) -> None:
    """Against the ledger and within one call."""
    intent, outcome = decision(1)
    other = replace(outcome, **changes)  # type: ignore[arg-type]
    log.append([intent, outcome])
    with pytest.raises(DuplicateIdError, match="other content"):
        log.append([other])
    intent, outcome = decision(2)
    other = replace(outcome, **changes)  # type: ignore[arg-type]
    with pytest.raises(DuplicateIdError):
        log.append([intent, outcome, other])
    assert log.head().count == 3


def test_types_have_ids_of_their_own(log: Log) -> None:
    """A note may bear the id of an intent; records without id are never the same."""
    intent = decision(1)[0]
    receipts = log.append([intent, replace(intent, type="note"), note(1), note(1)])
    assert [receipt.seq for receipt in receipts] == [1, 2, 3, 4]


def test_an_outcome_needs_its_intent(log: Log) -> None:
    """Before it, with its id, in its run."""
    intent, outcome = decision(1)
    for drafts in ([outcome], [outcome, intent], [intent, replace(outcome, run_id="run-b")]):
        with pytest.raises(UnpairedOutcomeError):
            log.append(drafts)
    log.append([intent])
    with pytest.raises(UnpairedOutcomeError):
        log.append([replace(outcome, run_id="run-b")])
    assert log.append([outcome])[0].seq == 2


@pytest.mark.parametrize(
    ("draft", "kind"),
    [
        (replace(note(1), type="genesis"), InvalidDraftError),
        (replace(note(1), type="intent"), InvalidDraftError),
        (replace(note(1), type="outcome"), InvalidDraftError),
        (replace(note(1), type="decision"), UnrecordableError),
        (note(1, x=float("nan")), UnrecordableError),
    ],
)
def test_a_call_with_a_wrong_draft_writes_nothing(
    log: Log, draft: Draft, kind: type[LedgerError]
) -> None:
    """All drafts of a call, or none; the log stays usable."""
    with pytest.raises(kind):
        log.append([*decision(1), draft])
    assert log.head().count == 1
    assert log.append(decision(1))[0].seq == 1


@pytest.mark.parametrize("field", ["type", "run_id", "step", "id", "status", "actor"])
@pytest.mark.parametrize("wrong", [False, True, None, 0, 1, 1.5, b"x", [], ["x"], {}, {"a": 1}, ()])
@pytest.mark.parametrize("kind", ["note", "intent", "outcome"])
def test_a_field_that_is_not_text_is_refused(
    make_log: MakeLog, kind: str, field: str, wrong: object
) -> None:
    """In four parts, whatever the type of record, before ids are paired; nothing is written."""
    log = make_log()
    log.append([replace(decision(1)[0], id="r/s/1/1", run_id="r")])
    before = log.head()
    draft = replace(note(1), type=kind, id="r/s/1/1", run_id="r")
    with pytest.raises(UnrecordableError) as caught:
        log.append([replace(draft, **{field: wrong})])  # type: ignore[arg-type]
    assert all((caught.value.what, caught.value.where, caught.value.why, caught.value.fix))
    assert log.head() == before


# Time.


def test_time_never_decreases(log: Log) -> None:
    """A small step back is not followed; a large one is recorded, once."""
    clock = log._clock
    assert isinstance(clock, Clock)
    log.append([note(1)])
    clock.shift(-1.5)
    log.append([note(2)])
    clock.shift(-3600)
    log.append([note(3)])
    log.append([note(4)])
    clock.shift(7200)
    log.append([note(5)])
    records = list(log.read())
    assert [record.type for record in records[3:]] == ["recovery", "note", "note", "note"]
    assert records[3].data["reason"] == "clock behind"
    times = [record.ts for record in records]
    assert times == sorted(times)
    assert verify(log.path).verdict == "ok"


def test_a_clock_without_zone_is_refused(make_log: MakeLog) -> None:
    """A time without zone could be any."""
    with pytest.raises(ConfigError, match="without zone"):
        make_log(clock=lambda: datetime(2026, 1, 1))  # noqa: DTZ001


# Many writers.


def test_threads_share_one_write(log: Log, root: Path) -> None:
    """Each gets its own receipts; an error of one is not an error of the others."""
    outcomes: dict[int, object] = {}

    def work(number: int) -> None:
        drafts = decision(number) if number % 4 else decision(number)[1:]
        try:
            outcomes[number] = log.append(drafts)
        except UnpairedOutcomeError as error:
            outcomes[number] = error

    threads = [threading.Thread(target=work, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, outcome in outcomes.items():
        assert isinstance(outcome, list) == bool(number % 4)
        if isinstance(outcome, list):
            assert [record.id for record in log.read(outcome[0].seq, outcome[0].seq + 2)] == [
                f"run-a/select/{number}/1"
            ] * 2
    assert verify(root).count == 1 + 24 * 2


def test_whoever_holds_the_mutex_writes_for_all(log: Log) -> None:
    """Drafts that wait are written with the first of them."""
    log._mutex.acquire()
    threads = [threading.Thread(target=log.append, args=([note(number)],)) for number in range(8)]
    for thread in threads:
        thread.start()
    while len(log._queue) < 8:
        time.sleep(0.001)
    log._mutex.release()
    for thread in threads:
        thread.join()
    assert len({record.ts for record in log.read(1)}) == 1


def test_processes_extend_one_chain(make_log: MakeLog, root: Path) -> None:
    """Eight processes, one of them killed in the middle: nothing acknowledged is lost."""
    make_log(64).close()
    writers = [start_writer(root, f"run-{n}", 25) for n in range(7)]
    victim = start_writer(root, "victim", 100_000)
    assert victim.stdout is not None
    seen = [victim.stdout.readline() for _ in range(10)]
    victim.send_signal(signal.SIGKILL)
    seen += victim.stdout.readlines()
    victim.communicate()
    acknowledged = [int(line) for line in seen[1:] if line.endswith(b"\n")]
    for writer in writers:
        output, _ = writer.communicate()
        acknowledged += [int(line) for line in output.split()[1:]]
        assert writer.returncode == 0
    Log.open(root, clock=Clock()).close()
    assert verify(root).verdict == "ok"
    outcomes = {record.seq for record in read_records(root) if record.type == "outcome"}
    assert len(set(acknowledged)) == len(acknowledged)
    assert set(acknowledged) <= outcomes


def test_a_child_process_opens_its_own_files(log: Log, root: Path) -> None:
    """After a fork both go on appending; the child does not share the lock."""
    log.append([note(0)])
    log._mutex.acquire()
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        code = 1
        try:
            log._wait_seconds = 10
            log.append([note(n) for n in range(5)])
            code = 0
        finally:
            os._exit(code)
    log._mutex.release()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    log._wait_seconds = 10
    log.append([note(1)])
    assert verify(root).count == 8


def test_a_log_notices_that_it_is_in_a_child(
    log: Log, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its process id: it takes new files, and forgets what threads of the parent waited for."""
    before, lock = log._mutex, log._lock
    log._mutex.acquire()
    monkeypatch.setattr(os, "getpid", lambda: lock.process + 1)
    assert log.append([note(1)])[0].seq == 1
    assert log._mutex is not before
    assert log._lock is not lock
    assert verify(root).count == 2


def test_using_the_end_before_looking_is_a_fault(log: Log) -> None:
    """The tail is known under the lock only."""
    log._reopen(-1)
    with pytest.raises(RuntimeError):
        log._end  # noqa: B018 - the look is the test


def test_a_held_lock_refuses_and_writes_nothing(log: Log, root: Path) -> None:
    """Exit code 75; the next try works."""
    other = Lock(root / "lock")
    with other.held(0), pytest.raises(LockedError):
        log.append([note(1)])
    other.close()
    assert log.append([note(1)])[0].seq == 1


# Faults.


@pytest.mark.parametrize("name", ["write", "sync"])
def test_after_a_fault_of_the_disk_the_log_is_of_no_use(
    log: Log, root: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Invariant 6: no second try; a new log finds what is there."""

    def refuse(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    target = (os, "write") if name == "write" else (durable, "_datasync")
    monkeypatch.setattr(*target, refuse)
    with pytest.raises(StorageError, match="Input/output"):
        log.append(decision(1))
    monkeypatch.undo()
    with pytest.raises(StorageError, match="no more use"):
        log.append(decision(1))
    with Log.open(root, clock=clock) as again:
        assert [receipt.seq for receipt in again.append(decision(1))] == [1, 2]
    assert verify(root).count == 3


def test_what_failed_but_was_written_is_not_written_twice(
    log: Log, root: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sync reports an error after the bytes have reached the disk."""
    append = durable.append

    def fail_late(descriptor: int, data: bytes, *, where: str) -> None:
        append(descriptor, data, where=where)
        raise StorageError(what="late", where=where, why="a test", fix="none")

    monkeypatch.setattr(durable, "append", fail_late)
    with pytest.raises(StorageError, match="late"):
        log.append(decision(1))
    monkeypatch.undo()
    with Log.open(root, clock=clock) as again:
        assert [receipt.seq for receipt in again.append(decision(1))] == [1, 2]
        assert again.head().count == 3


def test_a_short_write_is_recovered(
    log: Log, root: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk takes a part of a line."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:50]))
    with pytest.raises(StorageError, match="short write"):
        log.append([note(1)])
    monkeypatch.undo()
    with Log.open(root, clock=clock) as again:
        assert [record.type for record in again.read()] == ["genesis", "recovery"]
    assert verify(root).verdict == "ok"


def test_a_ledger_that_cannot_be_read_is_a_fault_of_the_disk(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was written; the next try may work."""

    def refuse(_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fstat", refuse)
    with pytest.raises(StorageError, match="cannot read the ledger"):
        log.append([note(1)])
    monkeypatch.undo()
    assert log.append([note(1)])[0].seq == 1


def test_an_interrupted_append_is_told_to_all_that_waited(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal stops the thread that writes; the others do not wait for ever."""
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            log.append([note(number)])
        except (KeyboardInterrupt, StorageError) as error:
            errors.append(error)

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(durable, "append", interrupt)
    log._mutex.acquire()
    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    while len(log._queue) < 3:
        time.sleep(0.001)
    log._mutex.release()
    for thread in threads:
        thread.join()
    kinds = sorted(type(error).__name__ for error in errors)
    assert kinds == ["KeyboardInterrupt", "StorageError", "StorageError"]
    assert any("interrupted" in str(error) for error in errors)


# Laws.


@st.composite
def calls(draw: st.DrawFn) -> list[list[Draft]]:
    """Return calls of append with ids that repeat, clash and lack their intent."""
    draft = st.builds(
        Draft,
        type=st.sampled_from(["note", "intent", "outcome", "run"]),
        run_id=st.sampled_from(["a", "b"]),
        step=st.just("s"),
        id=st.sampled_from(["", "1", "2", "3"]),
        status=st.sampled_from(["", "ok"]),
    )
    return draw(st.lists(st.lists(draft, max_size=4), max_size=12))


@settings(max_examples=40, deadline=None)
@given(calls=calls(), records=st.sampled_from([1, 2, 8]), reopen=st.integers(0, 12))
def test_any_calls_leave_a_ledger_that_verifies(
    tmp_path_factory: pytest.TempPathFactory,
    calls: Sequence[list[Draft]],
    records: int,
    reopen: int,
) -> None:
    """Whatever is appended, refused or repeated: no false alarm, and no rule broken."""
    root = tmp_path_factory.mktemp("law") / "ledger"
    key, clock = SigningKey(ORIGIN, bytes(32)), Clock()
    log = Log.create(root, origin=ORIGIN, key=key, clock=clock, segment_records=records)
    known: dict[tuple[str, str], Receipt] = {}
    for at, drafts in enumerate(calls):
        if at == reopen:
            log.close()
            log = Log.open(root, clock=clock)
            log.checkpoint(key)
        try:
            receipts = log.append(drafts)
        except ConfigError:
            continue
        for draft, receipt in zip(drafts, receipts, strict=True):
            if draft.id:
                assert known.setdefault((draft.type, draft.id), receipt) == receipt
    report = verify(root)
    assert (report.findings, report.count) == ((), log.head().count)
    assert verify(root, level="fast").ok
    assert log.checkpoint(key).root == report.root
    log.close()

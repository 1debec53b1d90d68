"""Erasure is recorded first, takes away what was named and nothing else, and verifies after."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ledger import (
    BlobStore,
    Draft,
    DuplicateIdError,
    ErasureRefusedError,
    Log,
    NotCoveredError,
    NothingToEraseError,
    SigningKey,
    StorageError,
    compress,
    durable,
    erase_blob,
    erase_line,
    plan_blob,
    plan_line,
    prove,
    read_records,
    sha256,
    sign_change,
    verify,
)
from tests.ledger.conftest import ORIGIN, Clock, decision, fill, note

if TYPE_CHECKING:
    from ledger import Digest, Report
    from tests.ledger.conftest import MakeLog

GROUND = "erasure on request, article 17"
BY = "compliance@example.org"
TEXT = "a name that should never have been here"


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    """Return a store of blobs beside the ledger."""
    return BlobStore(tmp_path / "blobs")


def secret(number: int = 0, **references: Digest) -> Draft:
    """Return a draft whose content is to be erased."""
    data = {"text": TEXT, "n": number}
    return Draft(type="note", run_id="", step="", id=f"n/{number}", data=data, inputs=references)


def where(root: Path, text: str = TEXT) -> list[str]:
    """Return the files below a folder that hold a text, compressed or not."""
    found = []
    for path in sorted(each for each in root.rglob("*") if each.is_file()):
        data = path.read_bytes()
        plain = gzip.decompress(data) if path.suffix == ".gz" else data
        if text.encode() in plain:
            found.append(path.name)
    return found


def reports(log: Log, store: BlobStore) -> list[Report]:
    """Verify at both levels."""
    return [verify(log.path, blobs=store.root), verify(log.path, level="fast")]


def prepared(make_log: MakeLog, key: SigningKey, *, records: int = 20) -> Log:
    """Return a ledger in segments of 8 whose record 3 and 19 hold the secret."""
    log = make_log(8)
    log.append([note(1), note(2), secret(0)])
    fill(log, (records - 4) // 2)
    log.append([secret(1)])
    log.checkpoint(key)
    return log


def test_a_line_is_erased_and_everything_else_holds(
    make_log: MakeLog, key: SigningKey, store: BlobStore
) -> None:
    """In a closed segment and in the active one: same hashes, head and root, no secret left."""
    log = prepared(make_log, key)
    before = [record.hash for record in log.read()]
    for seq in (3, 20):
        receipt = erase_line(log, seq, key, ground=GROUND, by=BY)
        record = list(log.read())[receipt.seq]
        assert (record.type, record.actor, record.data["ground"]) == ("redaction", BY, GROUND)
        assert all(report.ok for report in reports(log, store))
    assert where(log.path) == []
    records = list(log.read())
    assert [record.hash for record in records][: len(before)] == before
    assert [record.seq for record in records if record.redacted] == [3, 20]
    assert (records[3].id, dict(records[3].data)) == ("n/0", {})
    assert next(read_records(log.path, 3, 5)).id == "n/0"
    assert log.append([note(9)])[0].seq == len(records)
    assert verify(log.path).ok


def test_the_summary_states_the_file_as_it_was_closed(
    make_log: MakeLog, key: SigningKey, store: BlobStore
) -> None:
    """It is not written again, so a copy from before can be recognised."""
    log = prepared(make_log, key)
    path = log.path / "audit-000000000000.jsonl"
    kept, closed = path.read_bytes(), (log.path / "segments/000000000000").read_bytes()
    erase_line(log, 3, key, ground=GROUND, by=BY)
    assert path.stat().st_mode & 0o777 == 0o444
    assert (log.path / "segments/000000000000").read_bytes() == closed
    assert sha256(kept).encode() in closed
    assert sha256(path.read_bytes()).encode() not in closed
    assert all(report.ok for report in reports(log, store))


def test_a_compressed_line_is_erased_too(
    make_log: MakeLog, key: SigningKey, store: BlobStore
) -> None:
    """And from both files, where a crash stopped the compression in between."""
    log = prepared(make_log, key)
    plain = log.path / "audit-000000000000.jsonl"
    kept = plain.read_bytes()
    compress(log)
    assert where(log.path)[0] == "audit-000000000000.jsonl.gz"
    packed = (log.path / "audit-000000000000.jsonl.gz").read_bytes()
    erase_line(log, 3, key, ground=GROUND, by=BY)
    assert "audit-000000000000.jsonl.gz" not in where(log.path)
    assert all(report.ok for report in reports(log, store))
    other = log.path.with_name("other")
    shutil.copytree(log.path, other)
    (other / plain.name).write_bytes(kept)
    (other / f"{plain.name}.gz").unlink()
    (other / f"{plain.name}.gz").write_bytes(packed)
    (other / ".tmp-left").write_bytes(kept[:500])
    with Log.open(other, clock=Clock()) as again:
        erase_line(again, 3, key, ground=GROUND, by=BY)
        assert where(other) == ["audit.jsonl"]
        assert list(other.glob(".tmp-*")) == []
        assert verify(other).ok


def test_a_blob_is_erased_and_everything_else_holds(
    make_log: MakeLog, key: SigningKey, store: BlobStore
) -> None:
    """The bytes are gone; the records that name them stay."""
    log = make_log(8)
    digest = store.put(TEXT.encode())
    log.append([secret(0, prices=digest), secret(1, prices=digest)])
    log.checkpoint(key)
    plan = plan_blob(log.path, store, digest)
    assert ([each.seq for each in plan.records], plan.is_done) == ([1, 2], False)
    assert (plan.name, plan.path, plan.redaction) == (f"blob {digest}", store.path(digest), None)
    assert store.has(digest)
    erase_blob(log, store, digest, key, ground=GROUND, by=BY)
    assert where(store.root) == []
    assert all(report.ok for report in reports(log, store))
    assert plan_blob(log.path, store, digest).is_done
    # The same bytes may come back, as the input of a new run, and go again.
    store.put(TEXT.encode())
    again = erase_blob(log, store, digest, key, ground="another", by=BY)
    assert (again.seq, store.has(digest)) == (3, False)


def test_a_blob_that_nothing_names_any_more_can_still_be_erased(
    make_log: MakeLog, key: SigningKey, store: BlobStore
) -> None:
    """After its record was erased; an unknown one is refused."""
    log = make_log(8)
    digest = store.put(TEXT.encode())
    log.append([secret(0, prices=digest)])
    log.checkpoint(key)
    erase_line(log, 1, key, ground=GROUND, by=BY)
    erase_blob(log, store, digest, key, ground=GROUND, by=BY)
    assert where(store.root) == []
    assert all(report.ok for report in reports(log, store))
    with pytest.raises(NothingToEraseError, match="no blob"):
        erase_blob(log, store, sha256(b"other"), key, ground=GROUND, by=BY)


def test_erasing_again_records_nothing_more(make_log: MakeLog, key: SigningKey) -> None:
    """The first ground stands; the receipt is the same."""
    log = prepared(make_log, key)
    first = erase_line(log, 3, key, ground=GROUND, by=BY)
    count = log.head().count
    plan = plan_line(log.path, 3)
    assert plan.redaction is not None
    assert (plan.name, plan.path.name) == ("record 3", "audit-000000000000.jsonl")
    assert (plan.is_done, plan.redaction.seq, len(plan.records)) == (True, first.seq, 1)
    assert erase_line(log, 3, key, ground="", by="") == first
    assert log.head().count == count


@pytest.mark.parametrize("step", ["checkpoint", "replace", "remove"])
def test_a_crash_in_between_is_finished_by_a_second_call(
    make_log: MakeLog,
    key: SigningKey,
    store: BlobStore,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    """Nothing is gone that is not signed for, and the second call adds no record."""
    log = prepared(make_log, key)
    digest = store.put(TEXT.encode())
    log.append([secret(2, prices=digest)])
    log.checkpoint(key)

    def refuse(*_: object, **__: object) -> None:
        raise StorageError(what="the disk is gone", where="", why="", fix="")

    with monkeypatch.context() as patch:
        if step == "checkpoint":
            patch.setattr(Log, "checkpoint", refuse)
        else:
            patch.setattr(durable, step, refuse if step == "remove" else _broken_for_audit())
        if step == "remove":
            with pytest.raises(StorageError):
                erase_blob(log, store, digest, key, ground=GROUND, by=BY)
        else:
            with pytest.raises(StorageError):
                erase_line(log, 3, key, ground=GROUND, by=BY)
    count = log.head().count
    assert "audit-000000000000.jsonl" in where(log.path)
    assert where(store.root) != []
    assert all(report.ok for report in reports(log, store))
    if step == "remove":
        erase_blob(log, store, digest, key, ground="later", by="another")
        assert where(store.root) == []
    else:
        erase_line(log, 3, key, ground="later", by="another")
        assert "audit-000000000000.jsonl" not in where(log.path)
    assert log.head().count == count
    assert all(report.ok for report in reports(log, store))


def _broken_for_audit() -> object:
    whole = durable.replace

    def replace(path: Path, data: bytes, *, mode: int = 0o644) -> None:
        if path.name.startswith("audit"):
            raise StorageError(what="the disk is gone", where="", why="", fix="")
        whole(path, data, mode=mode)

    return replace


def test_what_the_verifier_needs_is_refused(
    make_log: MakeLog, key: SigningKey, store: BlobStore
) -> None:
    """Every type but those of the work, and the blobs that such a record names."""
    log = make_log(8)
    second = SigningKey(ORIGIN, bytes([7]) * 32)
    blob = store.put(b"token")
    log.append([sign_change("add", second.verify_key, ORIGIN, key, second)])
    log.append([Draft(type="anchor", run_id="", step="", id="a", inputs={"token": blob})])
    log.append([Draft(type="recovery", run_id="", step="", id="r", data={"reason": "x"})])
    log.append([note(1)])
    log.checkpoint(key)
    receipt = erase_line(log, 4, key, ground=GROUND, by=BY)
    for seq in (0, 1, 2, 3, receipt.seq):
        with pytest.raises(ErasureRefusedError, match="refused to erase"):
            erase_line(log, seq, key, ground=GROUND, by=BY)
    with pytest.raises(ErasureRefusedError, match="anchor"):
        erase_blob(log, store, blob, key, ground=GROUND, by=BY)
    assert (store.has(blob), log.head().count) == (True, receipt.seq + 1)


def test_what_cannot_be_erased_yet_is_refused(make_log: MakeLog, key: SigningKey) -> None:
    """Not under a checkpoint, without ground or name, unknown, or not here."""
    log = prepared(make_log, key)
    log.append([secret(5)])
    count = log.head().count
    with pytest.raises(ErasureRefusedError, match=f"record {count - 1}"):
        erase_line(log, count - 1, key, ground=GROUND, by=BY)
    for ground, by in ((" ", BY), (GROUND, "")):
        with pytest.raises(ErasureRefusedError):
            erase_line(log, 3, key, ground=ground, by=by)
    for seq in (count, -1):
        with pytest.raises(NothingToEraseError):
            erase_line(log, seq, key, ground=GROUND, by=BY)
    moved = log.path / "audit-000000000008.jsonl"
    moved.rename(log.path.with_name("moved"))
    with pytest.raises(ErasureRefusedError, match="record 9"):
        erase_line(log, 9, key, ground=GROUND, by=BY)
    assert log.head().count == count


def test_a_retry_of_an_erased_draft_is_recognised_by_its_hash(
    make_log: MakeLog, key: SigningKey
) -> None:
    """The id stays taken; the same draft gets its receipt, another one is refused."""
    log = make_log(8)
    (receipt,) = log.append([secret(0)])
    log.checkpoint(key)
    erase_line(log, 1, key, ground=GROUND, by=BY)
    assert log.append([secret(0)]) == [receipt]
    with pytest.raises(DuplicateIdError):
        log.append([Draft(type="note", run_id="", step="", id="n/0", data={"text": "another"})])
    shutil.rmtree(log.path / "cache")
    with Log.open(log.path, clock=Clock()) as again:
        assert again.append([secret(0)]) == [receipt]


def test_an_outcome_may_follow_an_erased_intent(make_log: MakeLog, key: SigningKey) -> None:
    """Pairing needs the ids, and those stay."""
    log = make_log(8)
    intent, outcome = decision(1)
    log.append([intent])
    log.checkpoint(key)
    erase_line(log, 1, key, ground=GROUND, by=BY)
    log.append([outcome])
    assert (verify(log.path).ok, verify(log.path).unanswered) == (True, 0)


def test_an_erased_record_has_no_proof_and_its_neighbours_have(
    make_log: MakeLog, key: SigningKey
) -> None:
    """A proof carries the bytes."""
    log = prepared(make_log, key)
    erase_line(log, 3, key, ground=GROUND, by=BY)
    with pytest.raises(NotCoveredError, match="erased"):
        prove(log.path, 3)
    assert prove(log.path, 4)


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from ledger import Draft, Log
log = Log.open(Path(sys.argv[1]), clock=lambda: datetime.now(UTC), wait_seconds=30)
for number in range(10**6):
    log.append([Draft(type="note", run_id="", step="", id=f"{sys.argv[2]}/{number}")])
    print(number, flush=True)
"""


def test_another_process_appends_all_the_while(
    make_log: MakeLog, key: SigningKey, store: BlobStore
) -> None:
    """Its open file is replaced under it, and no record that it was told of is lost."""
    log = make_log(64, wait_seconds=30)
    log.append([secret(number) for number in range(30)])
    log.checkpoint(key)
    command = [sys.executable, "-c", WRITER, str(log.path), "w"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as child:
        assert child.stdout is not None
        acknowledged = [child.stdout.readline()]
        for seq in range(1, 31, 3):
            erase_line(log, seq, key, ground=GROUND, by=BY)
            acknowledged.append(child.stdout.readline())
        compress(log)
        acknowledged.append(child.stdout.readline())
        child.kill()
        acknowledged += child.stdout.readlines()
    count = sum(each.endswith(b"\n") for each in acknowledged)
    log.head()
    log.checkpoint(key)
    assert all(report.ok for report in reports(log, store)), verify(log.path).to_text()
    ids = [record.id for record in log.read() if record.id.startswith("w/")]
    assert ids == [f"w/{number}" for number in range(len(ids))]
    assert len(ids) >= count > 10
    # Its table of ids was emptied with ours: nothing is found at an old place.
    assert log.append([secret(1)])[0].seq == 2


def test_nothing_else_can_disappear(make_log: MakeLog, key: SigningKey, store: BlobStore) -> None:
    """Each kind of file, and each line in turn, with the file or in it."""
    log = prepared(make_log, key)
    digest = store.put(b"prices")
    log.append([secret(2, prices=digest)])
    erase_line(log, 3, key, ground=GROUND, by=BY)
    log.close()
    kinds = {}
    for path in sorted(each for each in log.path.parent.rglob("*") if each.is_file()):
        data, name = path.read_bytes(), str(path.relative_to(log.path.parent))
        path.unlink()
        report = verify(log.path, blobs=store.root)
        kinds[name] = report.verdict if report.findings or not report.unread else "unread"
        path.write_bytes(data)
    for path in sorted(log.path.glob("audit*")):
        lines = path.read_bytes().splitlines(keepends=True)
        for at in range(len(lines)):
            path.chmod(0o644)
            path.write_bytes(b"".join(lines[:at] + lines[at + 1 :]))
            assert not verify(log.path, level="fast").ok, (path.name, at)
        path.write_bytes(b"".join(lines))
    assert verify(log.path, blobs=store.root).ok
    lost = {name for name, kind in kinds.items() if kind == "ok"}
    assert {name.partition("/")[0] for name in kinds} == {"ledger", "blobs"}
    # A closed segment that is not here may have been moved away: the report says so.
    assert kinds["ledger/audit-000000000008.jsonl"] == "unread"
    # No evidence: who holds the lock, a cache; and notes of which another copy or a later one is
    # there. What the newest note covered is for who has seen it: `--last-seen`.
    notes = {f"ledger/checkpoints/{size:012d}" for size in (1, 21)}
    assert lost == {"ledger/lock", "ledger/cache/ids", "ledger/checkpoint"} | notes | {
        f"ledger/checkpoints/{verify(log.path).count:012d}"
    }


def test_ids_are_found_after_lines_moved(make_log: MakeLog, key: SigningKey) -> None:
    """In the closed segment that was rewritten, by this log and by one that was open before."""
    log = prepared(make_log, key)
    known = {record.id: record.seq for record in log.read() if record.type == "intent"}
    with Log.open(log.path, clock=Clock()) as other:
        other.append([note(7)])
        erase_line(log, 3, key, ground=GROUND, by=BY)
        for number in range(4):
            draft = decision(number)[0]
            for each in (other, log):
                assert [r.seq for r in each.append([draft])] == [known[draft.id]]

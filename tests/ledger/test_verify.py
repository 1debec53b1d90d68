"""What the verifier brings, what it remembers, and what it leaves alone."""

from __future__ import annotations

import os
import shutil
import threading
from typing import TYPE_CHECKING, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import BlobStore, ConfigError, Draft, Log, NoLedgerError, SigningKey, sha256, verify
from ledger.keys import COSIGNATURE
from ledger.note import cosign_text, format_note, parse_note
from ledger.policy import parse_policy
from tests.ledger.conftest import ORIGIN, Clock, decision, fill, note

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ledger.conftest import MakeLog


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a ledger of 25 records in segments of 8, all under a checkpoint."""
    root = tmp_path_factory.mktemp("small") / "ledger"
    key = SigningKey(ORIGIN, bytes(range(32)))
    with Log.create(root, origin=ORIGIN, key=key, clock=Clock(), segment_records=8) as log:
        fill(log, 12)
        log.checkpoint(key)
    return root


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_changed_byte_of_a_covered_record_is_found(
    small: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Invariant 2: at both levels, in every segment, whatever the change."""
    root = tmp_path_factory.mktemp("copy") / "ledger"
    shutil.copytree(small, root)
    path = data.draw(st.sampled_from(sorted(root.glob("audit*"))))
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    match data.draw(st.sampled_from(["flip", "delete", "insert", "cut"])):
        case "flip":
            content[at] ^= data.draw(st.integers(1, 255))
        case "delete":
            del content[at]
        case "insert":
            content.insert(at, data.draw(st.integers(0, 255)))
        case _:
            del content[at:]
    if bytes(content) != path.read_bytes():
        path.chmod(0o644)
        path.write_bytes(content)
        assert not verify(root).ok
        assert not verify(root, level="fast").ok
    shutil.rmtree(root)


def test_trust_is_what_the_verifier_brings(log: Log, key: SigningKey) -> None:
    """Nothing, a key, a policy without and with witnesses."""
    witness = SigningKey("example.org/witness", bytes(32), COSIGNATURE)
    lines = f"log {key.verify_key.text}\nwitness w {witness.verify_key.text}\n"
    policies = [parse_policy(f"{lines}quorum {name}\n".encode()) for name in ("none", "w")]
    assert verify(log.path).trust == "self-consistent"
    assert verify(log.path, keys=[key.verify_key]).trust == "signed"
    assert verify(log.path, policy=policies[0]).trust == "signed"
    assert verify(log.path, policy=policies[1]).verdict == "signature"
    path = log.path / "checkpoint"
    parsed = parse_note(path.read_bytes())
    line = cosign_text(parsed.text, witness, time=1_800_000_000)
    path.write_bytes(format_note(parsed.text, [*parsed.signatures, line]))
    assert verify(log.path, policy=policies[1]).trust == "witnessed"
    assert verify(log.path, policy=policies[0]).trust == "signed"


def test_the_last_seen_checkpoint_moves_forward(log: Log, key: SigningKey, tmp_path: Path) -> None:
    """Made at the first look, moved at each good one, left alone at a bad one."""
    seen = tmp_path / "auditor" / "seen"
    assert verify(log.path, last_seen=seen).ok
    first = seen.read_bytes()
    fill(log, 2)
    later = log.checkpoint(key)
    assert verify(log.path, last_seen=seen).ok
    assert first != seen.read_bytes() == later.note
    shutil.rmtree(log.path / "checkpoints")
    (log.path / "checkpoint").write_bytes(first)
    (log.path / "audit.jsonl").write_bytes((log.path / "audit.jsonl").read_bytes().split(b"\n")[0])
    report = verify(log.path, last_seen=seen)
    assert report.verdict == "rolled_back"
    assert seen.read_bytes() == later.note


def test_each_ledger_is_remembered_on_its_own(log: Log, tmp_path: Path) -> None:
    """The memory of another ledger is a wrong option, not a finding."""
    key = SigningKey("example.org/other", bytes(32))
    other = Log.create(tmp_path / "other", origin=key.name, key=key, clock=log._clock)
    verify(other.path, last_seen=tmp_path / "seen")
    with pytest.raises(ConfigError, match="last seen"):
        verify(log.path, last_seen=tmp_path / "seen")


def test_blobs_are_checked_when_asked(make_log: MakeLog, key: SigningKey, tmp_path: Path) -> None:
    """Missing, altered, and erased under a redaction that is signed for."""
    log, store = make_log(), BlobStore(tmp_path / "blobs")
    digests = [store.put(bytes([n])) for n in range(3)]
    references: dict[str, Any] = {str(n): digest for n, digest in enumerate(digests)}
    log.append([Draft(type="note", run_id="", step="", id="", outputs=references)])
    assert verify(log.path, blobs=store.root).ok
    store.path(digests[0]).unlink()
    store.path(digests[1]).unlink()
    store.path(digests[2]).chmod(0o644)
    store.path(digests[2]).write_bytes(b"x")
    report = verify(log.path, blobs=store.root)
    assert [each.kind for each in report.findings] == ["missing", "missing", "altered"]
    assert verify(log.path).ok
    log.append([Draft(type="redaction", run_id="", step="", id="", data={"blob": digests[0]})])
    assert len(verify(log.path, blobs=store.root).findings) == 3
    log.checkpoint(key)
    report = verify(log.path, blobs=store.root)
    assert [each.seq for each in report.findings] == [1, 1]
    with pytest.raises(ConfigError, match="fast"):
        verify(log.path, blobs=store.root, level="fast")


@pytest.mark.parametrize("since", [0, 1, 7, 8, 9, 16, 20, 25, 99])
def test_what_is_before_since_is_believed(small: Path, tmp_path: Path, since: int) -> None:
    """The root covers it all the same; later records are judged as ever."""
    assert verify(small, since=since).ok
    root = tmp_path / "ledger"
    shutil.copytree(small, root)
    path = root / "audit-000000000008.jsonl"
    path.chmod(0o644)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b"select", b"selekt")
    path.write_bytes(b"".join(lines))
    assert verify(root, since=since).ok == (since > 10)


def test_a_verifier_needs_no_right_to_write(small: Path, tmp_path: Path) -> None:
    """It makes no file, takes no lock and leaves every time of change as it is."""
    root = tmp_path / "ledger"
    shutil.copytree(small, root)
    shutil.rmtree(root / "cache")
    (root / "lock").unlink()
    before = {path: path.stat() for path in root.rglob("*") if path.is_file()}
    verify(root)
    after = {path: path.stat() for path in root.rglob("*") if path.is_file()}
    assert {path: stat.st_mtime_ns for path, stat in before.items()} == {
        path: stat.st_mtime_ns for path, stat in after.items()
    }


def test_a_ledger_that_grows_has_no_findings(make_log: MakeLog, key: SigningKey) -> None:
    """Invariant 1: a writer at work is not an attack."""
    log = make_log(16)
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            log.append(decision(number))
            if number % 10 == 0:
                log.checkpoint(key)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        reports = [verify(log.path) for _ in range(25)]
    finally:
        stop.set()
        thread.join()
    assert [report.to_text() for report in reports if not report.ok] == []
    assert reports[-1].count > reports[0].count


def test_a_torn_tail_is_told_from_a_writer_at_work(log: Log, root: Path) -> None:
    """The verifier looks again; if the rest comes, it is read."""
    log.append([note(1)])
    whole = (root / "audit.jsonl").read_bytes()
    os.truncate(root / "audit.jsonl", len(whole) - 5)
    timer = threading.Timer(0.06, (root / "audit.jsonl").write_bytes, [whole])
    timer.start()
    report = verify(root)
    timer.join()
    assert (report.verdict, report.count) == ("ok", 2)
    os.truncate(root / "audit.jsonl", len(whole) - 5)
    report = verify(root)
    assert (report.verdict, report.count) == ("torn", 1)
    assert report.findings[0].offset == whole[:-1].rfind(b"\n") + 1


@pytest.mark.parametrize("level", ["strict", "fast"])
def test_text_that_looks_like_a_change_is_none(log: Log, level: Literal["strict", "fast"]) -> None:
    """A member of data with the name and value of a type."""
    log.append([note(1, type="key"), note(2, type="redaction", seq=1)])
    assert verify(log.path, level=level).ok


def test_unanswered_intents_are_counted_not_blamed(log: Log) -> None:
    """A crash between intent and outcome is no breach."""
    log.append([decision(1)[0], *decision(2)])
    assert (verify(log.path).ok, verify(log.path).unanswered) == (True, 1)


def test_a_folder_without_a_ledger_is_a_wrong_option(tmp_path: Path) -> None:
    """Exit code 2, not 3."""
    with pytest.raises(NoLedgerError):
        verify(tmp_path)
    with pytest.raises(NoLedgerError):
        verify(tmp_path / "missing")


def test_findings_are_limited(make_log: MakeLog) -> None:
    """A file of nonsense does not fill the memory."""
    log = make_log()
    log.close()
    with (log.path / "audit.jsonl").open("ab") as file:
        file.write(b"nonsense\n" * 3000)
    report = verify(log.path)
    assert (report.verdict, len(report.findings)) == ("altered", 1000)
    assert sha256(b"") not in report.to_text()

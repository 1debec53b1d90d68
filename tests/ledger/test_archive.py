"""A compressed segment is the same segment in less space."""

from __future__ import annotations

import gzip
import threading
from typing import TYPE_CHECKING

import pytest

from ledger import CompressionError, StorageError, compress, durable, prove, read_records, verify
from tests.ledger.conftest import fill

if TYPE_CHECKING:
    from pathlib import Path

    from ledger import SigningKey
    from tests.ledger.conftest import MakeLog


def test_lines_and_verdict_stay(make_log: MakeLog, key: SigningKey) -> None:
    """Records, proofs, appending and both levels; a second call finds nothing to do."""
    log = make_log(8)
    fill(log, 20)
    log.checkpoint(key)
    before, proof = list(log.read()), prove(log.path, 3)
    made = compress(log)
    assert [path.name for path in made] == [f"audit-{at:012d}.jsonl.gz" for at in range(0, 40, 8)]
    assert sorted(path.name for path in log.path.glob("audit*.jsonl")) == ["audit.jsonl"]
    assert (list(read_records(log.path)), prove(log.path, 3)) == (before, proof)
    fill(log, 20, run_id="run-b")
    log.checkpoint(key)
    assert verify(log.path).ok
    assert verify(log.path, level="fast").ok
    assert [path.name for path in compress(log)] == [
        f"audit-{at:012d}.jsonl.gz" for at in range(40, 80, 8)
    ]
    assert compress(log) == []


def test_the_same_segment_gives_the_same_bytes(make_log: MakeLog) -> None:
    """No name and no time stand in the file."""
    log = make_log(8)
    fill(log, 5)
    plain = log.path / "audit-000000000000.jsonl"
    kept = plain.read_bytes()
    (path,) = compress(log)
    first = path.read_bytes()
    assert (first[3], first[4:8]) == (0, bytes(4))
    assert gzip.decompress(first) == kept
    assert path.stat().st_mode & 0o777 == 0o444
    path.unlink()
    plain.write_bytes(kept)
    assert compress(log)[0].read_bytes() == first


def test_a_segment_that_is_away_is_passed_over(make_log: MakeLog, key: SigningKey) -> None:
    """The others are compressed."""
    log = make_log(4)
    fill(log, 6)
    log.checkpoint(key)
    (log.path / "audit-000000000004.jsonl").unlink()
    assert [path.name for path in compress(log)] == [
        f"audit-{first:012d}.jsonl.gz" for first in (0, 8)
    ]
    assert verify(log.path).unread == (4,)


def test_a_crash_before_the_plain_file_goes_is_finished(
    make_log: MakeLog, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both files are there, the ledger verifies, and the next call removes the plain one."""
    log = make_log(8)
    fill(log, 5)
    log.checkpoint(key)

    def refuse(_: Path) -> None:
        raise StorageError(what="the disk is gone", where="", why="", fix="")

    with monkeypatch.context() as patch:
        patch.setattr(durable, "remove", refuse)
        with pytest.raises(StorageError):
            compress(log)
    assert len(list(log.path.glob("audit-*"))) == 2
    assert verify(log.path).ok
    assert len(compress(log)) == 1
    assert len(list(log.path.glob("audit-*"))) == 1
    assert verify(log.path).ok


def test_what_does_not_read_back_is_not_kept(
    make_log: MakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plain file stays as it was."""
    log = make_log(8)
    fill(log, 5)
    monkeypatch.setattr(gzip, "decompress", lambda _: b"other")
    with pytest.raises(CompressionError):
        compress(log)
    assert [path.name for path in log.path.glob("audit-*")] == ["audit-000000000000.jsonl"]


def test_a_reader_does_not_notice(make_log: MakeLog, key: SigningKey) -> None:
    """Segments change their file while the ledger is read and verified."""
    log = make_log(8, wait_seconds=30)
    stop = threading.Event()
    found: list[str] = []

    def watch() -> None:
        while not stop.is_set():
            report = verify(log.path)
            found.extend([] if report.ok else [report.to_text()])
            list(read_records(log.path))

    thread = threading.Thread(target=watch)
    thread.start()
    for run in range(12):
        fill(log, 10, run_id=f"run-{run}")
        log.checkpoint(key)
        compress(log)
    stop.set()
    thread.join()
    assert found == []

"""A signer never contradicts what it signed before."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ledger import (
    BrokenChainError,
    ConfigError,
    Frontier,
    InconsistentCheckpointError,
    Log,
    SigningKey,
    open_checkpoint,
    read_records,
    tree_root,
    verify,
)
from ledger.checkpoints import list_sizes, publish, read_newest
from ledger.tree import DiskTree, extend, frontier_at
from tests.ledger.conftest import ORIGIN, fill, note

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ledger.conftest import Clock, MakeLog


@pytest.mark.parametrize("records", [1, 4, 65_536])
def test_a_checkpoint_has_the_root_of_all_records(
    make_log: MakeLog, key: SigningKey, records: int
) -> None:
    """In one segment or many, from one log or a new one each time."""
    log = make_log(records)
    for count in (1, 3, 0, 8):
        fill(log, count, f"run-{count}")
        checkpoint = log.checkpoint(key)
        leaves = [bytes.fromhex(record.hash) for record in log.read()]
        assert checkpoint.root == tree_root(leaves).hex()
        assert open_checkpoint(checkpoint.note, [key.verify_key], origin=ORIGIN) == checkpoint
        assert (log.path / "checkpoint").read_bytes() == checkpoint.note
        assert checkpoint.size == len(leaves)
        log = Log.open(log.path, clock=log._clock)
    assert list_sizes(log.path) == [1, 3, 9, 25]
    assert verify(log.path).verdict == "ok"


def test_signing_the_same_size_again_gives_the_same_note(log: Log, key: SigningKey) -> None:
    """Nothing is written a second time."""
    log.append([note(1)])
    first = log.checkpoint(key)
    before = (log.path / "checkpoint").stat()
    assert log.checkpoint(key).note == first.note
    assert (log.path / "checkpoint").stat() == before


def test_a_crash_after_keeping_a_checkpoint_loses_none(log: Log, key: SigningKey) -> None:
    """The kept copy counts when the newest was not replaced yet."""
    before = (log.path / "checkpoint").read_bytes()
    log.append([note(1)])
    signed = log.checkpoint(key)
    (log.path / "checkpoint").write_bytes(before)
    assert read_newest(log.path) == signed
    assert verify(log.path).checkpoint == signed


def test_checkpoints_are_signed_when_they_are_due(log: Log, key: SigningKey, clock: Clock) -> None:
    """After so many records, or so long; a log that was just opened does not know how long."""
    assert log.checkpoint_if_due(key, records=4) is None
    log.append([note(1)])
    assert log.checkpoint_if_due(key, records=4) is None
    fill(log, 2)
    assert getattr(log.checkpoint_if_due(key, records=4), "size", 0) == 6
    log.append([note(2)])
    clock.shift(61)
    assert getattr(log.checkpoint_if_due(key), "size", 0) == 7
    clock.shift(61)
    assert log.checkpoint_if_due(key) is None
    log.append([note(3)])
    again = Log.open(log.path, clock=clock)
    assert getattr(again.checkpoint_if_due(key), "size", 0) == 8


def test_two_keys_may_sign(log: Log, key: SigningKey) -> None:
    """In the time when one key takes over from another."""
    second = SigningKey(ORIGIN, bytes(32))
    log.append([note(1)])
    note_bytes = log.checkpoint(key, second).note
    for each in (key, second):
        assert open_checkpoint(note_bytes, [each.verify_key]).size == 2


def test_a_key_of_another_name_does_not_sign(log: Log) -> None:
    """The name of the key is the origin of the ledger."""
    with pytest.raises(ConfigError, match="expected a key of"):
        log.checkpoint(SigningKey.generate("example.org/other"))


def test_a_rewritten_ledger_is_not_signed(
    make_log: MakeLog, root: Path, key: SigningKey, clock: Clock, tmp_path: Path
) -> None:
    """Another history of the same length, then of a greater length."""
    fill(make_log(), 2)
    Log.open(root, clock=clock).checkpoint(key)
    kept = tmp_path / "kept"
    shutil.copytree(root / "checkpoints", kept)
    shutil.rmtree(root)
    log = make_log()
    fill(log, 2, "run-x")
    shutil.rmtree(root / "checkpoints")
    shutil.copytree(kept, root / "checkpoints")
    for _ in range(2):
        with pytest.raises(InconsistentCheckpointError, match="refused to sign"):
            log.checkpoint(key)
        fill(log, 3, "run-y")


def test_a_ledger_rolled_back_with_its_checkpoints_is_not_signed(
    make_log: MakeLog, root: Path, key: SigningKey, clock: Clock, tmp_path: Path
) -> None:
    """The signer's own memory lies beside its key."""
    key.save(tmp_path / "log.key")
    loaded = SigningKey.load(tmp_path / "log.key")
    log = make_log()
    shutil.copytree(root, tmp_path / "old")
    fill(log, 2)
    signed = log.checkpoint(loaded)
    log.close()
    assert (tmp_path / "log.key.signed").read_bytes() == signed.note
    shutil.rmtree(root)
    shutil.copytree(tmp_path / "old", root)
    with Log.open(root, clock=clock) as back:
        with pytest.raises(InconsistentCheckpointError, match="shorter"):
            back.checkpoint(loaded)
        fill(back, 4, "run-x")
        with pytest.raises(InconsistentCheckpointError, match="another root"):
            back.checkpoint(loaded)


def test_a_key_that_signed_begins_no_second_ledger(
    make_log: MakeLog, root: Path, key: SigningKey, clock: Clock, tmp_path: Path
) -> None:
    """Deleting the ledger and beginning anew under the same key would be a fork."""
    key.save(tmp_path / "log.key")
    loaded = SigningKey.load(tmp_path / "log.key")
    log = make_log()
    fill(log, 1)
    log.checkpoint(loaded)
    shutil.rmtree(root)
    with pytest.raises(InconsistentCheckpointError, match="its key signed 3 records"):
        Log.create(root, origin=ORIGIN, key=loaded, clock=clock)
    assert not root.exists()


def test_lost_checkpoints_are_signed_again(
    make_log: MakeLog, root: Path, key: SigningKey, tmp_path: Path
) -> None:
    """The same size and root, published again."""
    key.save(tmp_path / "log.key")
    loaded = SigningKey.load(tmp_path / "log.key")
    log = make_log()
    signed = log.checkpoint(loaded)
    shutil.rmtree(root / "checkpoints")
    (root / "checkpoint").unlink()
    assert log.checkpoint(loaded).note == signed.note
    assert verify(root).verdict == "ok"


def test_a_record_that_is_not_there_is_not_signed(log: Log) -> None:
    """Neither over too few records nor in a proof."""
    with pytest.raises(BrokenChainError, match="record 1"):
        extend(log.path, Frontier(), 5)
    with pytest.raises(BrokenChainError, match="record 4"):
        DiskTree(log.path, 5).prove_inclusion(0)
    assert frontier_at(log.path, 99).size == 1


def test_a_broken_record_is_not_signed(log: Log, key: SigningKey) -> None:
    """Records since the last checkpoint are checked before a root over them is given out."""
    fill(log, 3)
    path = log.path / "audit.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"gamma":0.5', b'"gamma":0.6', 1))
    with pytest.raises(BrokenChainError, match="record 1"):
        log.checkpoint(key)
    with pytest.raises(BrokenChainError):
        list(read_records(log.path))


def test_a_checkpoint_of_another_ledger_is_noticed(
    make_log: MakeLog, root: Path, key: SigningKey
) -> None:
    """A stranger's note in the folder."""
    log = make_log()
    stranger = SigningKey("example.org/other", bytes(32))
    other = Log.create(
        root.with_name("other"), origin=stranger.name, key=stranger, clock=log._clock
    )
    publish(root, other.checkpoint(stranger))
    with pytest.raises(InconsistentCheckpointError, match="another origin"):
        log.checkpoint(key)


def test_a_checkpoint_reads_only_what_came_since(
    log: Log, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second checkpoint of a log opens at the end of the first, not at the beginning."""
    log.append([note(1)])
    log.checkpoint(key)

    def unused(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("ledger.tree.checked_lines", unused)
    monkeypatch.setattr("ledger.tree.frontier_at", unused)
    for number in range(2, 5):
        log.append([note(number)])
        signed = log.checkpoint(key)
    monkeypatch.undo()
    assert signed.root == tree_root([bytes.fromhex(each.hash) for each in log.read()]).hex()


@pytest.mark.parametrize("change", ["byte", "link", "lines"])
def test_what_came_since_is_checked(log: Log, key: SigningKey, change: str) -> None:
    """Hash, link and number of the lines: what does not hold is not signed."""
    fill(log, 1, "run-a")
    log.checkpoint(key)
    fill(log, 2, "run-b")
    path = log.path / "audit.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    if change == "byte":
        lines[-1] = lines[-1].replace(b"run-b", b"run-c")
    elif change == "link":
        lines[-2] = lines[-1]
    else:
        lines[-2:] = [lines[-2][:-1] + b" " + lines[-1]]
    path.write_bytes(b"".join(lines))
    log._tail = replace(log._end, size=path.stat().st_size)
    with pytest.raises(BrokenChainError):
        log.checkpoint(key)


def test_a_line_too_few_is_noticed(log: Log, key: SigningKey) -> None:
    """The bytes hold, but there are fewer records than the log counted."""
    log.append([note(1)])
    log.checkpoint(key)
    log.append([note(2)])
    end = log._end
    log._tail = replace(end, count=end.count + 1)
    with pytest.raises(BrokenChainError):
        log.checkpoint(key)

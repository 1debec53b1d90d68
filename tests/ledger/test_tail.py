"""The end of the active segment: clean, torn, or altered."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ledger import (
    AlteredTailError,
    Log,
    MalformedLedgerError,
    NoLedgerError,
    sha256,
    verify,
)
from tests.ledger.conftest import decision, fill

if TYPE_CHECKING:
    from pathlib import Path

    from ledger import (
        SigningKey,
    )
    from tests.ledger.conftest import Clock, MakeLog


def test_truncation_at_every_byte_of_the_last_batch_is_recovered(
    make_log: MakeLog, root: Path, clock: Clock
) -> None:
    """Whole lines stay, the torn rest is quarantined, and a record says so."""
    log = make_log()
    before = (root / "audit.jsonl").stat().st_size
    fill(log, 1)
    log.close()
    whole = (root / "audit.jsonl").read_bytes()
    for size in range(before, len(whole)):
        (root / "audit.jsonl").write_bytes(whole[:size])
        kept = whole[:size].rfind(b"\n") + 1
        with Log.open(root, clock=clock) as opened:
            records = list(opened.read())
            assert whole[:kept] == (root / "audit.jsonl").read_bytes()[:kept]
            assert len(records) == whole[:kept].count(b"\n") + (size > kept)
            if size > kept:
                stated = records[-1].data
                torn = whole[kept:size]
                assert (records[-1].type, stated["sha256"]) == ("recovery", sha256(torn))
                assert (stated["bytes"], stated["offset"]) == (len(torn), kept)
                assert (root / "quarantine" / str(stated["quarantine"])).read_bytes() == torn
            opened.append(decision(0))
        assert verify(root).verdict == "ok"


@pytest.mark.parametrize(
    "tail", [b"\x00" * 5000, b"\x00\n", b'{"a":1}\x00\n\x00' + b"\x00" * 70_000]
)
def test_bytes_that_never_reached_the_disk_are_torn(
    make_log: MakeLog, root: Path, clock: Clock, tail: bytes
) -> None:
    """A file that grew before its content was written is filled with NUL."""
    fill(make_log(), 1)
    with (root / "audit.jsonl").open("ab") as file:
        file.write(tail)
    with Log.open(root, clock=clock) as log:
        last = list(log.read())[-1]
        assert (last.seq, last.type, last.data["bytes"]) == (3, "recovery", len(tail))
    assert verify(root).verdict == "ok"


def test_another_process_cuts_what_a_killed_one_left(
    make_log: MakeLog, root: Path, clock: Clock
) -> None:
    """Recovery is part of every append, not of opening alone."""
    log = make_log()
    fill(log, 1)
    with (root / "audit.jsonl").open("ab") as file:
        file.write(b'{"half')
    receipt = log.append(decision(1))[0]
    assert receipt.seq == 4
    assert [record.type for record in log.read(3, 4)] == ["recovery"]
    assert verify(root).verdict == "ok"
    assert Log.open(root, clock=clock).head().count == 6


def test_power_failure_in_the_middle_of_the_tail_is_found(
    make_log: MakeLog, root: Path, clock: Clock
) -> None:
    """A page of NUL bytes before whole lines: found when the table of ids is built again."""
    fill(make_log(), 4)
    lines = (root / "audit.jsonl").read_bytes().splitlines(keepends=True)
    lines[5] = lines[5][:20] + bytes(40) + lines[5][60:]
    (root / "audit.jsonl").write_bytes(b"".join(lines))
    (root / "cache" / "ids").unlink()
    with Log.open(root, clock=clock) as log:
        assert log.append(decision(9))[0].seq == 6
        assert [record.type for record in log.read(5, 6)] == ["recovery"]
    assert verify(root).verdict == "ok"


def test_the_table_of_ids_is_built_again_when_its_place_is_gone(
    make_log: MakeLog, root: Path, clock: Clock
) -> None:
    """A segment was moved away, or the ledger was put back to an earlier state."""
    log = make_log(4)
    fill(log, 3)
    log.close()
    (root / "cache" / "ids").rename(root / "kept")
    with Log.open(root, clock=clock) as again:
        fill(again, 5)
    (root / "kept").rename(root / "cache" / "ids")
    (root / "audit-000000000004.jsonl").unlink()
    with Log.open(root, clock=clock) as again:
        assert [receipt.seq for receipt in again.append(decision(4))] == [9, 10]
        # The outcome went with its segment: the table cannot know it any more.
        assert [receipt.seq for receipt in again.append(decision(1))] == [3, 11]


def test_an_altered_tail_is_not_taken_for_a_torn_one(
    make_log: MakeLog, root: Path, clock: Clock
) -> None:
    """A whole line with another content is refused, and nothing is cut."""
    fill(make_log(), 1)
    altered = (root / "audit.jsonl").read_bytes().replace(b'"ok"', b'"no"')
    (root / "audit.jsonl").write_bytes(altered)
    with pytest.raises(AlteredTailError) as caught:
        Log.open(root, clock=clock)
    assert caught.value.exit_code == 3
    assert (root / "audit.jsonl").read_bytes() == altered


def test_a_ledger_shorter_than_its_checkpoint_is_refused(
    make_log: MakeLog, root: Path, clock: Clock, key: SigningKey
) -> None:
    """Torn means above every checkpoint; below one it is truncated."""
    log = make_log()
    fill(log, 1)
    whole = (root / "audit.jsonl").read_bytes()
    log.checkpoint(key)
    log.close()
    (root / "audit.jsonl").write_bytes(whole[: whole[:-1].rfind(b"\n") + 10])
    with pytest.raises(MalformedLedgerError, match="fewer"):
        Log.open(root, clock=clock)


def test_a_ledger_that_shrinks_under_an_open_log_is_refused(make_log: MakeLog, root: Path) -> None:
    """The log remembers what it saw."""
    log = make_log()
    fill(log, 2)
    size = (root / "audit.jsonl").read_bytes()[:-1].rfind(b"\n") + 1
    os.truncate(root / "audit.jsonl", size)
    with pytest.raises(MalformedLedgerError, match="fewer"):
        log.append(decision(5))


@pytest.mark.parametrize("content", [b"", b"\x00\x00", b"no line"])
def test_a_file_without_a_first_record_is_no_ledger(
    make_log: MakeLog, root: Path, content: bytes
) -> None:
    """A log that is open sees it too."""
    log = make_log()
    (root / "audit.jsonl").write_bytes(content)
    with pytest.raises((NoLedgerError, MalformedLedgerError)):
        log.append(decision(1))
    log.close()

"""Reading checks hash, link and position, wherever it begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ledger import ZERO, BrokenChainError, Record, erase_line, read_records
from ledger.chain import Redactions, erased_by
from ledger.record import make_stub, splice
from tests.ledger.conftest import fill, note

if TYPE_CHECKING:
    from pathlib import Path

    from ledger import SigningKey
    from tests.ledger.conftest import MakeLog


@pytest.fixture
def folder(make_log: MakeLog, root: Path) -> Path:
    """Return a ledger of seven records in one segment."""
    fill(make_log(), 3)
    return root


def change(folder: Path, seq: int, old: bytes, new: bytes, *, seal: bool) -> None:
    """Replace bytes in one line, with or without a right hash afterwards."""
    path = folder / "audit.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    changed = lines[seq].replace(old, new)
    assert changed != lines[seq]
    lines[seq] = splice(changed[:-76] + b"}")[0] if seal else changed
    path.write_bytes(b"".join(lines))


@pytest.mark.parametrize("start", [0, 3])
def test_an_altered_record_stops_the_reader(folder: Path, start: int) -> None:
    """What stands before it is yielded."""
    change(folder, 4, b'"ok"', b'"no"', seal=False)
    read: list[int] = []
    with pytest.raises(BrokenChainError, match="record 4"):
        read.extend(record.seq for record in read_records(folder, start))
    assert read == list(range(start, 4))


@pytest.mark.parametrize("start", [0, 5])
def test_a_resealed_record_breaks_the_next_link(folder: Path, start: int) -> None:
    """Also when reading begins right after it."""
    change(folder, 4, b'"ok"', b'"no"', seal=True)
    with pytest.raises(BrokenChainError, match="record 5"):
        list(read_records(folder, start))


def test_a_wrong_position_is_found(folder: Path) -> None:
    """The last record may be resealed without breaking a link."""
    change(folder, 6, b'"seq":6', b'"seq":7', seal=True)
    with pytest.raises(BrokenChainError, match="record 6"):
        list(read_records(folder))


def test_reading_ends_where_it_is_told(folder: Path) -> None:
    """Beyond the end there is nothing, and a torn tail is not read."""
    with (folder / "audit.jsonl").open("ab") as file:
        file.write(b'{"torn')
    assert [record.seq for record in read_records(folder, 2, 4)] == [2, 3]
    assert [record.seq for record in read_records(folder)] == list(range(7))
    assert list(read_records(folder, 7)) == []
    assert list(read_records(folder, 99)) == []
    assert list(read_records(folder, 3, 3)) == []


@pytest.mark.parametrize(
    "data", [{}, {"seq": 1}, {"stub": ZERO}, {"seq": True, "stub": ZERO}, {"seq": 1, "stub": 1}]
)
def test_what_names_no_line_erases_none(data: dict[str, object]) -> None:
    """An erasure of a blob, and one that names its line in another way."""
    record = Record(seq=9, ts="", type="redaction", data=data, prev_hash=ZERO, hash=ZERO)
    assert list(erased_by(record)) == []


def test_an_altered_redaction_allows_nothing(make_log: MakeLog, key: SigningKey) -> None:
    """The stub that it allowed is then a record that does not state its own hash."""
    log = make_log()
    log.append([note(1), note(2)])
    log.checkpoint(key)
    erase_line(log, 1, key, ground="on request", by="a@example.org")
    assert [record.redacted for record in read_records(log.path, 0, 3)] == [False, True, False]
    change(log.path, 3, b"on request", b"in a night", seal=False)
    with pytest.raises(BrokenChainError, match="record 1"):
        list(read_records(log.path, 0, 3))


def test_no_stub_stands_for_the_first_record(folder: Path) -> None:
    """Nothing allows it, and it is not allowed for want of a record that does."""
    stub = make_stub((folder / "audit.jsonl").read_bytes().splitlines(keepends=True)[0])
    assert Redactions(folder).hash_of_stub(0, stub[:-1]) == b""

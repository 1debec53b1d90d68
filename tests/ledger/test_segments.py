"""Closed segments and their summaries."""

from __future__ import annotations

import gzip
import io
import json
from typing import TYPE_CHECKING

import pytest

from ledger import (
    MalformedLedgerError,
    NoLedgerError,
    canonical_digest,
    dumps,
    read_records,
    segments,
    sha256,
    tree_root,
    verify,
)
from ledger.segments import LineReader, list_segments, read_genesis, read_summary
from ledger.tree import frontier_at
from tests.ledger.conftest import fill

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ledger.conftest import MakeLog


@pytest.fixture
def closed(make_log: MakeLog, root: Path) -> Path:
    """Return a ledger of 21 records in segments of 8, two of them closed."""
    fill(make_log(8), 10)
    return root


def test_full_segments_get_their_own_file(closed: Path) -> None:
    """Names sort in the order of the records; a closed file is read-only."""
    names = ["audit-000000000000.jsonl", "audit-000000000008.jsonl", "audit.jsonl"]
    assert sorted(each.name for each in closed.glob("audit*")) == names
    assert [each.first for each in list_segments(closed)] == [0, 8, 16]
    assert (closed / names[0]).stat().st_mode & 0o777 == 0o444
    assert [record.seq for record in read_records(closed)] == list(range(21))


def test_a_summary_states_what_the_segment_came_to(closed: Path) -> None:
    """Count, head, subtree root, size and digest of the file."""
    summary = read_summary(closed, 8)
    assert summary is not None
    records = list(read_records(closed, 8, 16))
    data = (closed / "audit-000000000008.jsonl").read_bytes()
    assert (summary.first, summary.count, summary.head) == (8, 8, records[-1].hash)
    assert summary.root == tree_root([bytes.fromhex(each.hash) for each in records]).hex()
    assert (summary.size, summary.sha256, summary.ts) == (len(data), sha256(data), records[-1].ts)
    assert read_summary(closed, 16) is None


def test_a_compressed_segment_reads_and_verifies_the_same(closed: Path) -> None:
    """The records, and the report."""
    before = list(read_records(closed))
    path = closed / "audit-000000000000.jsonl"
    path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    assert list(read_records(closed)) == before
    assert verify(closed).verdict == "ok"
    assert read_genesis(closed).segment == 8


def test_a_segment_that_was_moved_is_named(closed: Path) -> None:
    """Reading it fails; reading after it does not."""
    (closed / "audit-000000000008.jsonl").unlink()
    with pytest.raises(NoLedgerError, match="moved away"):
        list(read_records(closed))
    assert [record.seq for record in read_records(closed, 0, 7)] == list(range(7))
    assert [record.seq for record in read_records(closed, 16)] == list(range(16, 21))
    assert [record.seq for record in read_records(closed, 18, 20)] == [18, 19]


def test_the_tree_extends_over_a_segment_that_was_moved(closed: Path) -> None:
    """Its summary stands in, at every size before and after it."""
    leaves = [bytes.fromhex(record.hash) for record in read_records(closed)]
    (closed / "audit-000000000008.jsonl").unlink()
    for size in (0, 5, 16, 17, 21):
        frontier = frontier_at(closed, size)
        assert (frontier.size, frontier.root()) == (size, tree_root(leaves[:size]))
    with pytest.raises(NoLedgerError, match="moved away"):
        frontier_at(closed, 12)


def test_the_first_segment_stays(closed: Path) -> None:
    """It holds the genesis record; it may be compressed."""
    (closed / "audit-000000000000.jsonl").unlink()
    with pytest.raises(NoLedgerError, match="record 0 was moved away"):
        read_genesis(closed)


def test_a_crash_while_closing_is_finished_later(closed: Path) -> None:
    """Without an active file, and with or without the summary of the last closed one."""
    for name in ("audit.jsonl", "segments/000000000008"):
        (closed / name).unlink()
        segments.finish_closing(closed)
        assert (closed / "audit.jsonl").read_bytes() == b""
    assert read_summary(closed, 8) is not None or (closed / "audit.jsonl").exists()


def test_nothing_is_finished_where_there_is_nothing(tmp_path: Path) -> None:
    """An empty folder stays empty."""
    segments.finish_closing(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(NoLedgerError):
        read_genesis(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"{}\n", b"[1]\n", dumps({"first": 0}), b"nonsense"],
)
def test_a_malformed_summary_is_refused(closed: Path, content: bytes) -> None:
    """One exception, and a way out."""
    path = closed / "segments" / "000000000000"
    path.chmod(0o644)
    path.write_bytes(content)
    with pytest.raises(MalformedLedgerError, match="malformed summary"):
        read_summary(closed, 0)


@pytest.mark.parametrize(
    "changes",
    [{"head": "x"}, {"count": "8"}, {"count": True}, {"count": 0}, {"count": 7}, {"first": 8}],
)
def test_a_summary_with_a_wrong_field_is_refused(closed: Path, changes: dict[str, object]) -> None:
    """Digests are digests and counts are counts."""
    path = closed / "segments" / "000000000000"
    path.chmod(0o644)
    path.write_bytes(dumps({**json.loads(path.read_bytes()), **changes}) + b"\n")
    with pytest.raises(MalformedLedgerError):
        read_summary(closed, 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "x"},
        {"origin": 1},
        {"vkey": None},
        {"segment": 3},
        {"segment": 0},
        {"segment": "8"},
        {"segment": True},
    ],
)
def test_a_first_record_must_be_a_genesis(root: Path, changes: dict[str, object]) -> None:
    """It pins format, origin, key and segment size."""
    data = {"format": "assay-ledger/1", "origin": "o", "segment": 8, "vkey": "v", **changes}
    body = {"seq": 0, "ts": "", "type": "genesis", "v": 1, "data": data, "prev_hash": ""}
    root.mkdir()
    (root / "audit.jsonl").write_bytes(dumps({**body, "hash": canonical_digest(body)}) + b"\n")
    with pytest.raises(MalformedLedgerError, match="genesis"):
        read_genesis(root)


def test_the_length_of_a_segment_is_found_as_long_as_one_summary_is(closed: Path) -> None:
    """By a summary, then by the names, then by what is usual."""
    for name in ("000000000000", "000000000008"):
        assert list_segments(closed)[-1].first == 16
        (closed / "segments" / name).chmod(0o644)
        (closed / "segments" / name).write_bytes(b"nonsense")
    assert list_segments(closed)[-1].first == 16
    (closed / "audit-000000000008.jsonl").unlink()
    (closed / "segments" / "000000000008").unlink()
    assert list_segments(closed)[-1].first == segments.RECORDS


def test_lines_are_cut_at_lf_only() -> None:
    """Whatever the chunks; what follows the last LF is kept apart."""
    reader = LineReader(io.BytesIO(b"a\rb\n\nc\n" + b"x" * 3_000_000 + b"\nend"))
    lines = [line for lines in reader for line in lines]
    assert lines[:3] == [b"a\rb", b"", b"c"]
    assert (len(lines[3]), len(lines), reader.torn) == (3_000_000, 4, b"end")


def test_a_segment_compressed_since_it_was_listed_is_listed_again(closed: Path) -> None:
    """Its plain name is gone, so nobody can say whether the open file is that segment."""
    found = list_segments(closed)
    (closed / "audit-000000000008.jsonl").unlink()
    with (closed / "audit.jsonl").open("rb") as file:
        assert not segments._is_active(file, found)
        assert segments._is_active(file, list_segments(closed))

"""A proof shows one record to somebody who does not have the ledger."""

from __future__ import annotations

import base64
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import (
    MalformedNoteError,
    MalformedProofError,
    NotCoveredError,
    SigningKey,
    open_proof,
    prove,
    tree_root,
)
from ledger.proof import MAX_PROOF, format_proof, parse_proof
from ledger.tree import DiskTree
from tests.ledger.conftest import ORIGIN, fill, note

if TYPE_CHECKING:
    from ledger import Log
    from tests.ledger.conftest import MakeLog


@pytest.mark.parametrize("records", [1, 2, 8, 65_536])
@pytest.mark.parametrize("decisions", [0, 1, 4, 11])
def test_every_covered_record_is_proven(
    make_log: MakeLog, key: SigningKey, records: int, decisions: int
) -> None:
    """In one segment or many, also with some moved away; to who knows the key alone."""
    log = make_log(records)
    fill(log, decisions)
    log.checkpoint(key)
    log.append([note(1)])
    for record in log.read(0, 2 * decisions + 1):
        proof = prove(log.path, record.seq)
        proven, parsed = open_proof(proof, [key.verify_key], origin=ORIGIN)
        assert proven == record
        assert format_proof(parsed) == proof
        assert parsed.checkpoint.size == 2 * decisions + 1
    with pytest.raises(NotCoveredError):
        prove(log.path, 2 * decisions + 1)


def test_ranges_have_the_root_of_their_leaves(make_log: MakeLog) -> None:
    """Whether a range is made of segments, of parts of one, or of both."""
    log = make_log(4)
    fill(log, 9)
    leaves = [bytes.fromhex(record.hash) for record in log.read()]
    tree = DiskTree(log.path, 19)
    for start, stop in (
        (0, 16),
        (0, 19),
        (16, 19),
        (0, 4),
        (4, 8),
        (8, 16),
        (0, 2),
        (2, 4),
        (5, 6),
    ):
        assert tree.root_of(start, stop) == tree_root(leaves[start:stop])


def test_a_record_that_is_not_there_cannot_be_proven(log: Log, key: SigningKey) -> None:
    """No checkpoint, no proof."""
    with pytest.raises(NotCoveredError):
        prove(log.path, 7)
    for path in (log.path / "checkpoint", log.path / "checkpoints" / "000000000001"):
        path.unlink()
    with pytest.raises(NotCoveredError):
        prove(log.path, 0)
    assert log.checkpoint(key).size == 1


def test_any_changed_byte_is_found(log: Log, key: SigningKey) -> None:
    """One bit of each byte in turn, cut off at each, and one byte more."""
    fill(log, 2)
    log.checkpoint(key)
    whole = prove(log.path, 3)
    broken = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(len(whole))]
    broken += [whole[:at] for at in range(0, len(whole), 7)]
    broken += [whole + b"x", whole + b"\n", b"x" * (MAX_PROOF + 1)]
    for each in broken:
        with pytest.raises((MalformedProofError, MalformedNoteError)):
            open_proof(each, [key.verify_key])


def test_a_proof_needs_a_trusted_key(log: Log) -> None:
    """A stranger's key opens nothing."""
    with pytest.raises(MalformedNoteError):
        open_proof(prove(log.path, 0), [SigningKey.generate(ORIGIN).verify_key])


def test_a_record_of_another_place_is_refused(log: Log, key: SigningKey) -> None:
    """Path and record must belong together."""
    fill(log, 3)
    log.checkpoint(key)
    lines = [prove(log.path, seq).split(b"\n") for seq in (3, 4)]
    mixed = b"\n".join([lines[0][0], lines[1][1], *lines[0][2:]])
    with pytest.raises(MalformedProofError, match="record 4"):
        open_proof(mixed, [key.verify_key])


@given(st.binary(max_size=100))
def test_foreign_bytes_raise_one_exception(data: bytes) -> None:
    """Alone, and after a right beginning."""
    for each in (data, b"c2sp.org/tlog-proof@v1\nextra QQ==\nindex 0\n" + data):
        with contextlib.suppress(MalformedProofError, MalformedNoteError):
            assert format_proof(parse_proof(each)) == each


@pytest.mark.parametrize("lines", [0, 1, 2])
def test_a_proof_has_three_lines_at_least(log: Log, lines: int) -> None:
    """Header, extra and index."""
    head, blank, note_ = prove(log.path, 0).partition(b"\n\n")
    short = b"\n".join(head.split(b"\n")[:lines])
    with pytest.raises(MalformedProofError, match="extra and index"):
        parse_proof(short + blank + note_)


def test_a_proof_has_a_million_bytes_at_most(log: Log) -> None:
    """The limit is inclusive."""
    whole = parse_proof(prove(log.path, 0))
    spare = MAX_PROOF - len(format_proof(replace(whole, line=b"")))
    filled = replace(whole, line=bytes(spare // 4 * 3), index=10 ** (spare % 4))
    data = format_proof(filled)
    assert len(data) == MAX_PROOF
    assert parse_proof(data) == filled
    with pytest.raises(MalformedProofError, match="at most"):
        parse_proof(data + b"x")


@pytest.mark.parametrize("node", [b"short", bytes(33)])
def test_a_hash_has_32_bytes(log: Log, node: bytes) -> None:
    """Others are not hashes."""
    whole = prove(log.path, 0)
    wrong = whole.replace(b"\nindex 0\n", b"\nindex 0\n" + base64.b64encode(node) + b"\n")
    with pytest.raises(MalformedProofError, match="32 bytes"):
        parse_proof(wrong)

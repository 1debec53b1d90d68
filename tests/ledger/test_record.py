"""A record has one spelling and names its own hash."""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import (
    ZERO,
    Draft,
    LineTooLongError,
    MalformedRecordError,
    Record,
    UnrecordableError,
    format_record,
    parse_record,
    sha256,
)
from ledger.record import (
    MAX_LINE,
    TAIL,
    TYPES,
    hash_of_line,
    link_of_line,
    parse_body,
    read_record,
    seal,
    splice,
)
from tests.ledger.test_canonical import Colour, keys, texts, values

if TYPE_CHECKING:
    from ledger import Digest

TS = "2026-01-02T03:04:05.000006Z"
digests = st.binary(max_size=4).map(sha256)
references = st.dictionaries(keys, digests, max_size=3)


@st.composite
def drafts(draw: st.DrawFn) -> Draft:
    """Return any draft that can be recorded."""
    return Draft(
        type=draw(st.sampled_from(TYPES)),
        run_id=draw(texts),
        step=draw(texts),
        id=draw(texts),
        status=draw(texts),
        actor=draw(texts),
        inputs=draw(references),
        outputs=draw(references),
        data=draw(st.dictionaries(keys, values, max_size=3)),
    )


def line_of(**changes: object) -> bytes:
    """Return the line of a body with changed members; None leaves one out."""
    body: dict[str, Any] = {
        "v": 1,
        "seq": 3,
        "ts": TS,
        "type": "note",
        "prev_hash": ZERO,
        **changes,
    }
    kept = {name: value for name, value in body.items() if value is not None}
    return splice(json.dumps(kept, sort_keys=True, separators=(",", ":")).encode())[0]


@given(drafts(), st.integers(0, 2**53 - 1), digests)
def test_format_and_parse_are_inverse(draft: Draft, seq: int, before: Digest) -> None:
    """Invariants 1 and 3, and the hash is the leaf hash of the body."""
    line, digest = seal(draft, seq=seq, ts=TS, prev_hash=before)
    record = parse_record(line)
    assert format_record(record) == line
    assert record == read_record(line)
    assert (record.seq, record.prev_hash, record.hash, record.ts) == (seq, before, digest, TS)
    assert (record.type, record.id, record.data) == (draft.type, draft.id, draft.data)
    assert (record.inputs, record.outputs) == (draft.inputs, draft.outputs)
    body = line[: -TAIL - 1] + b"}"
    assert digest == hashlib.sha256(b"\x00" + body).hexdigest()
    assert hash_of_line(line[:-1]).hex() == digest
    assert link_of_line(line[:-1]) == before.encode()
    assert json.loads(line)["hash"] == digest


@given(drafts(), st.data())
def test_any_changed_byte_is_found(draft: Draft, data: st.DataObject) -> None:
    """No byte of a line can be changed without parse_record noticing."""
    line = bytearray(seal(draft, seq=1, ts=TS, prev_hash=ZERO)[0])
    at = data.draw(st.integers(0, len(line) - 1))
    line[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(MalformedRecordError):
        parse_record(bytes(line))


@given(st.binary(max_size=200))
def test_foreign_bytes_raise_one_exception(line: bytes) -> None:
    """Invariant 2, with and without a right hash."""
    for each in (line, splice(line)[0]):
        with pytest.raises(MalformedRecordError):
            parse_record(each)
        with contextlib.suppress(MalformedRecordError):
            read_record(each)


def test_fields_stand_as_the_specification_shows() -> None:
    """The example of the format, and the members that are left out."""
    draft = Draft(
        type="intent",
        run_id="run-a",
        step="select",
        id="run-a/select/1",
        inputs={"returns": sha256(b"")},
        data={"lookback": 252, "gamma": 0.5},
    )
    line, digest = seal(draft, seq=4, ts="2026-11-20T10:00:05.000000Z", prev_hash=ZERO)
    assert (
        line
        == (
            '{"data":{"gamma":0.5,"lookback":252},"id":"run-a/select/1","inputs":{"returns":"'
            f'{sha256(b"")}"}},"prev_hash":"{ZERO}","run_id":"run-a","seq":4,"step":"select",'
            f'"ts":"2026-11-20T10:00:05.000000Z","type":"intent","v":1,"hash":"{digest}"}}\n'
        ).encode()
    )


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(line_of(v=2), id="version"),
        pytest.param(line_of(v=True), id="bool-as-version"),
        pytest.param(line_of(v=None), id="no-version"),
        pytest.param(line_of(seq=-1), id="negative-seq"),
        pytest.param(line_of(seq=True), id="bool-as-seq"),
        pytest.param(line_of(seq="1"), id="text-as-seq"),
        pytest.param(line_of(seq=1.5), id="fraction-as-seq"),
        pytest.param(line_of(ts="2026-01-02T03:04:05Z"), id="short-ts"),
        pytest.param(line_of(ts="2026-01-02T03:04:05.000006+00:00"), id="ts-with-offset"),
        pytest.param(line_of(ts="2026-02-30T03:04:05.000006Z"), id="no-such-day"),
        pytest.param(line_of(ts=1), id="number-as-ts"),
        pytest.param(line_of(type="decision"), id="foreign-type"),
        pytest.param(line_of(type=["note"]), id="list-as-type"),
        pytest.param(line_of(prev_hash=ZERO[:-1]), id="short-prev-hash"),
        pytest.param(line_of(prev_hash=None), id="no-prev-hash"),
        pytest.param(line_of(extra=1), id="unknown-field"),
        pytest.param(line_of(hash=ZERO), id="hash-in-the-body"),
        pytest.param(line_of(id=""), id="empty-text"),
        pytest.param(line_of(run_id=1), id="number-as-run"),
        pytest.param(line_of(data={}), id="empty-data"),
        pytest.param(line_of(data=[1]), id="list-as-data"),
        pytest.param(line_of(inputs={"a": "b"}), id="name-that-is-no-digest"),
        pytest.param(line_of(inputs={"a": None}), id="null-as-digest"),
        pytest.param(line_of(outputs={}), id="empty-outputs"),
        pytest.param(splice(b"[]")[0], id="no-object"),
        pytest.param(line_of()[:-1], id="no-newline"),
        pytest.param(line_of() + line_of(), id="two-lines"),
        pytest.param(b"x" * (MAX_LINE + 2), id="too-long"),
    ],
)
def test_another_form_is_malformed(line: bytes) -> None:
    """A rule of a field that is broken, under a right hash."""
    with pytest.raises(MalformedRecordError):
        parse_record(line)


@pytest.mark.parametrize("line", [b"1", b"{}", b'{"hash":1,"x":2}', b"[1]", b"\xff", b"[" * 9999])
def test_reading_without_checks_still_needs_a_record(line: bytes) -> None:
    """The fast way has one exception too."""
    with pytest.raises(MalformedRecordError):
        read_record(line)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"type": "decision"}, "$.type"),
        ({"run_id": None}, "$.run_id"),
        ({"actor": 7}, "$.actor"),
        ({"inputs": {"a": "short"}}, "$.inputs"),
        ({"outputs": [ZERO]}, "$.outputs"),
        ({"data": [1]}, "$.data"),
        ({"data": {"a": {"b": float("nan")}}}, "$.data.a.b"),
        ({"id": "\ud800"}, "$.id"),
    ],
)
def test_a_draft_that_cannot_be_recorded_is_refused(changes: dict[str, Any], where: str) -> None:
    """The field is named by its path."""
    draft = replace(Draft(type="note", run_id="r", step="s", id="i"), **changes)
    with pytest.raises(UnrecordableError) as caught:
        seal(draft, seq=1, ts=TS, prev_hash=ZERO)
    assert caught.value.where == where


def test_the_longest_line_is_written_and_one_more_byte_is_not() -> None:
    """Invariant 3; the error names the largest fields."""
    overhead = len(_seal_text("x")) - 2
    line = _seal_text("x" * (MAX_LINE - overhead))
    assert len(line) == MAX_LINE + 1
    assert parse_record(line).data["text"]
    with pytest.raises(LineTooLongError, match="at most 65535") as caught:
        _seal_text("x" * (MAX_LINE - overhead + 1))
    assert caught.value.where.startswith("data 65")


def _seal_text(text: str) -> bytes:
    draft = Draft(type="note", run_id="r", step="s", id="i", data={"text": text})
    return seal(draft, seq=1, ts=TS, prev_hash=ZERO)[0]


def test_read_only_mappings_are_recorded() -> None:
    """Frozen values hold such mappings."""
    draft = Draft(
        type="note",
        run_id="r",
        step="s",
        id="i",
        inputs=MappingProxyType({"a": ZERO}),
        data=MappingProxyType({"a": MappingProxyType({"b": 1})}),
    )
    assert parse_record(seal(draft, seq=1, ts=TS, prev_hash=ZERO)[0]).data == {"a": {"b": 1}}


def test_time_is_read_as_an_aware_datetime() -> None:
    """UTC, to the microsecond."""
    record = parse_record(line_of())
    assert record.at.isoformat() == "2026-01-02T03:04:05.000006+00:00"
    assert isinstance(record, Record)


def test_a_body_is_an_object() -> None:
    """Whatever its hash."""
    with pytest.raises(MalformedRecordError, match="an object"):
        parse_body(b"[]", ZERO)


def test_text_with_a_class_of_its_own_is_text() -> None:
    """An enumeration of texts may name a step."""
    draft = Draft(type="note", run_id="r", step=Colour.RED, id="i")
    assert parse_record(seal(draft, seq=1, ts=TS, prev_hash=ZERO)[0]).step == "red"


def test_link_is_not_taken_from_data() -> None:
    """A member of data with the name of the link does not stand for it."""
    line = line_of(data={"prev_hash": sha256(b"")})[:-1]
    assert link_of_line(line) == ZERO.encode()
    assert link_of_line(b"{}") == b""

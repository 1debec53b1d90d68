"""A note counts only when a known key signed exactly its text."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import MalformedNoteError, SigningKey, VerifyKey
from ledger.keys import COSIGNATURE
from ledger.note import (
    MAX_NOTE,
    Signature,
    cosign_text,
    format_note,
    open_note,
    parse_note,
    sign_note,
    sign_text,
    verify_signature,
)

ALICE = SigningKey("example.org/alice", bytes(32))
BOB = SigningKey("example.org/bob", bytes(range(32)))
WITNESS = SigningKey("example.org/witness", bytes([7]) * 32, COSIGNATURE)
TEXT = "some text\n\nof two paragraphs\n"


def test_example_of_the_specification_verifies() -> None:
    """The example of C2SP signed-note."""
    key = VerifyKey.parse("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")
    note = (
        "This is an example message.\n\n\u2014 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6Tf"
        "Xppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
    )
    assert open_note(note.encode(), [key]).text == "This is an example message.\n"


def test_sign_and_open_are_inverse() -> None:
    """All keys that are known and signed are named."""
    note = sign_note(TEXT, ALICE, BOB)
    assert open_note(note, [BOB.verify_key]).verified == (BOB.verify_key,)
    opened = open_note(note, [BOB.verify_key, ALICE.verify_key])
    assert opened.verified == (ALICE.verify_key, BOB.verify_key)
    assert opened.text == TEXT
    assert format_note(opened.text, opened.signatures) == note


def test_unknown_keys_prove_nothing() -> None:
    """A note that only strangers signed does not open."""
    with pytest.raises(MalformedNoteError, match="known key"):
        open_note(sign_note(TEXT, ALICE), [BOB.verify_key])


def test_a_known_key_with_a_wrong_signature_rejects_the_note() -> None:
    """Even when another known key signed well."""
    wrong = Signature(BOB.name, BOB.verify_key.key_id, bytes(64))
    note = format_note(TEXT, [sign_text(TEXT, ALICE), wrong])
    with pytest.raises(MalformedNoteError, match="bob"):
        open_note(note, [ALICE.verify_key, BOB.verify_key])
    assert open_note(note, [ALICE.verify_key]).text == TEXT


def test_the_first_signature_of_a_key_counts() -> None:
    """A second line of the same key is not looked at."""
    second = Signature(ALICE.name, ALICE.verify_key.key_id, bytes(64))
    note = format_note(TEXT, [sign_text(TEXT, ALICE), second])
    assert open_note(note, [ALICE.verify_key]).verified == (ALICE.verify_key,)


def test_a_cosignature_states_its_time() -> None:
    """And covers it: another time does not verify."""
    line = cosign_text(TEXT, WITNESS, time=1_700_000_000)
    assert line.time == 1_700_000_000
    note = format_note(TEXT, [line])
    assert open_note(note, [WITNESS.verify_key]).signatures == (line,)
    moved = Signature(line.name, line.key_id, bytes(8) + line.value[8:])
    short = Signature(line.name, line.key_id, line.value[:-1])
    late = Signature(line.name, line.key_id, b"\xff" * 8 + line.value[8:])
    for each in (moved, short, late):
        with pytest.raises(MalformedNoteError):
            open_note(format_note(TEXT, [each]), [WITNESS.verify_key])


@pytest.mark.parametrize("text", ["", "no newline", "tab\t\n", "return\r\n", "delete\x7f\n"])
def test_a_text_that_cannot_be_a_note_is_not_signed(text: str) -> None:
    """The signer is as strict as the reader."""
    with pytest.raises(MalformedNoteError):
        sign_note(text, ALICE)


@pytest.mark.parametrize(
    "note",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"text\n\n", id="no-signature"),
        pytest.param(b"text\n", id="no-blank-line"),
        pytest.param(b"text\n\n\xe2\x80\x94 a QUJDREU=", id="no-last-newline"),
        pytest.param(b"\xff\n\n\xe2\x80\x94 a QUJDREU=\n", id="not-utf-8"),
        pytest.param(b"text\n\n- a QUJDREU=\n", id="hyphen"),
        pytest.param(b"text\n\n\xe2\x80\x94 a QUJDREU\n", id="no-padding"),
        pytest.param(b"text\n\n\xe2\x80\x94 a QUJDRA==\n", id="key-id-only"),
        pytest.param(b"text\n\n\xe2\x80\x94 a  QUJDREU=\n", id="two-spaces"),
        pytest.param(b"text\n\n\xe2\x80\x94 a\n", id="no-signature-part"),
        pytest.param(b"x" * (MAX_NOTE + 1), id="too-long"),
        pytest.param(b"text\n\n" + b"\xe2\x80\x94 a QUJDREU=\n" * 101, id="too-many"),
    ],
)
def test_other_shapes_are_malformed(note: bytes) -> None:
    """One shape, one exception."""
    with pytest.raises(MalformedNoteError):
        parse_note(note)


def test_the_limits_of_a_note_are_inclusive() -> None:
    """A million bytes in all, and a hundred signatures."""
    line = sign_text(TEXT, ALICE)
    assert len(parse_note(format_note(TEXT, [line] * 100)).signatures) == 100
    longest = "x" * (MAX_NOTE - len(format_note("\n", [line]))) + "\n"
    assert parse_note(format_note(longest, [line])).text == longest
    with pytest.raises(MalformedNoteError):
        parse_note(format_note("x" + longest, [line]))


@pytest.mark.parametrize("time", [0, (1 << 63) - 1])
def test_a_cosignature_has_a_time_of_63_bits(time: int) -> None:
    """As C2SP has it; what follows cannot be signed as a time."""
    line = cosign_text(TEXT, WITNESS, time=time)
    assert (line.time, verify_signature(TEXT, line, WITNESS.verify_key)) == (time, True)
    value = struct.pack(">Q", 1 << 63) + WITNESS.sign(
        f"cosignature/v1\ntime {1 << 63}\n{TEXT}".encode()
    )
    later = Signature(line.name, line.key_id, value)
    assert not verify_signature(TEXT, later, WITNESS.verify_key)


@pytest.mark.parametrize("value", [b"", bytes(7), bytes(71), bytes(73)])
def test_a_cosignature_of_another_length_is_wrong(value: bytes) -> None:
    """Eight bytes of time and 64 of signature; nothing shorter is looked into."""
    line = Signature(WITNESS.name, WITNESS.verify_key.key_id, value)
    assert not verify_signature(TEXT, line, WITNESS.verify_key)


@given(st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
def test_foreign_bytes_raise_one_exception(note: bytes) -> None:
    """Invariant 2: what parses is written the same way."""
    try:
        parsed = parse_note(note)
    except MalformedNoteError:
        return
    assert format_note(parsed.text, parsed.signatures) == note


def test_public_notes_are_judged_as_published(transparency: dict[str, Any]) -> None:
    """Signing gives the published bytes; every bent note is refused."""
    notes = transparency["signed_note"]
    for vector in notes["must_verify"]:
        keys = [VerifyKey.parse(text) for text in vector["vkeys"]]
        assert open_note(vector["note"].encode(), keys).verified == tuple(keys)
        if "skey" in vector:
            key = SigningKey.parse(vector["skey"])
            assert sign_note(vector["text"], key) == vector["note"].encode()
    for vector in notes["must_refuse"]:
        if not vector["name"].startswith("vkey"):
            keys = [VerifyKey.parse(text) for text in vector["vkeys"]]
            with pytest.raises(MalformedNoteError):
                open_note(vector["note"].encode(), keys)

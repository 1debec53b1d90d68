"""A checkpoint is three lines with one spelling."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import (
    Checkpoint,
    Digest,
    MalformedNoteError,
    SigningKey,
    VerifyKey,
    open_checkpoint,
    read_checkpoint,
    sha256,
    sign_checkpoint,
    tree_root,
)
from ledger.checkpoint import parse_checkpoint
from ledger.merkle import leaf_hash

KEY = SigningKey("example.org/log", bytes(32))
CHECKPOINT = Checkpoint("example.org/log", 1234, sha256(b""))


def test_a_checkpoint_of_another_log_is_read() -> None:
    """A checkpoint of the Go checksum database, as it was served."""
    key = VerifyKey.parse("sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")
    note = (
        "go.sum database tree\n35225469\nvt5T6GaLCXvyHFl9VUvvItR43XZxfLgftEcTyO3eJCQ=\n\n"
        "\u2014 sum.golang.org Az3grpukl5AXaVfYkLiDGORx/DN2nlcS5kZHR5uYOBV2KA2HgXpD+gu9HHONebHLAya"
        "KbbTM75QTtPydhKCExixSfwQ=\n"
    )
    opened = open_checkpoint(note.encode(), [key], origin="go.sum database tree")
    assert opened.size == 35_225_469
    assert opened.note == note.encode()


def test_sign_and_open_are_inverse() -> None:
    """The note is kept with what it says."""
    signed = sign_checkpoint(CHECKPOINT, KEY)
    assert open_checkpoint(signed.note, [KEY.verify_key]) == CHECKPOINT == signed
    assert read_checkpoint(signed.note).note == signed.note


def test_another_origin_is_refused() -> None:
    """The checkpoint of another ledger proves nothing here."""
    with pytest.raises(MalformedNoteError, match="one of example"):
        open_checkpoint(
            sign_checkpoint(CHECKPOINT, KEY).note, [KEY.verify_key], origin="example.net/log"
        )


@given(st.text(max_size=100))
def test_foreign_text_raises_one_exception(text: str) -> None:
    """What parses is written the same way."""
    with contextlib.suppress(MalformedNoteError):
        assert parse_checkpoint(text).text == text


@pytest.mark.parametrize("size", ["01", "-1", "+1", "1 ", "", "1e3", "\u0661", "1" * 20, "0x1"])
def test_a_size_is_a_decimal_count(size: str) -> None:
    """No sign, no leading zero, no other digits."""
    with pytest.raises(MalformedNoteError):
        parse_checkpoint(CHECKPOINT.text.replace("1234", size))


@pytest.mark.parametrize(
    "text",
    [
        CHECKPOINT.text + "extension\n",
        CHECKPOINT.text + "\n",
        CHECKPOINT.text[:-1],
        "\n" + CHECKPOINT.text.partition("\n")[2],
        CHECKPOINT.text.replace("=", "=="),
        CHECKPOINT.text.replace("=", "!="),
        CHECKPOINT.text.replace("=\n", "=\n!"),
        CHECKPOINT.text.replace("=", ""),
        CHECKPOINT.text.replace("=", "\u00e9"),
    ],
)
def test_other_shapes_are_refused(text: str) -> None:
    """Neither more nor fewer than three lines."""
    with pytest.raises(MalformedNoteError):
        parse_checkpoint(text)


def test_public_texts_are_refused(transparency: dict[str, Any]) -> None:
    """Every text that other implementations refuse."""
    for text in transparency["signed_note"]["checkpoint_text_must_refuse"]:
        with pytest.raises(MalformedNoteError):
            parse_checkpoint(text)


def test_public_log_is_signed_byte_for_byte(transparency: dict[str, Any]) -> None:
    """All sixteen checkpoints of the Tessera test log."""
    golden = transparency["tessera_golden"]
    key = SigningKey.parse(golden["skey"])
    leaves = [leaf_hash(each.encode()) for each in golden["leaves"]]
    for size, note in enumerate(golden["checkpoints_size_0_to_15"]):
        root = Digest(tree_root(leaves[:size]).hex())
        signed = sign_checkpoint(Checkpoint(golden["origin"], size, root), key)
        assert signed.note == note.encode()

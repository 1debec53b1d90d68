"""A witness cosigns only what extends all that it has seen."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING

import pytest

from ledger import (
    Checkpoint,
    ConfigError,
    Log,
    MalformedRequestError,
    OutdatedRequestError,
    SigningKey,
    Witness,
    WitnessRefusalError,
    WrongKeyError,
    add_cosignature,
    make_request,
    parse_policy,
    read_checkpoint,
    sha256,
    sign_checkpoint,
    verify,
)
from ledger.keys import COSIGNATURE
from ledger.note import open_note, parse_note, sign_text
from ledger.witness import parse_request
from tests.ledger.conftest import ORIGIN, Clock, fill

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ledger.conftest import MakeLog

KEY = SigningKey("example.org/witness", bytes([9]) * 32, COSIGNATURE)


@pytest.fixture
def witness(tmp_path: Path, key: SigningKey) -> Witness:
    """Return a witness of the ledger, in a folder of its own."""
    return Witness(tmp_path / "witness", key=KEY, logs=[key.verify_key], clock=Clock())


@pytest.mark.parametrize("records", [4, 65_536])
def test_a_growing_ledger_is_cosigned(
    make_log: MakeLog, key: SigningKey, witness: Witness, records: int
) -> None:
    """From nothing, step by step, and again without a change."""
    log = make_log(records)
    lines = f"log {key.verify_key.text}\nwitness w {KEY.verify_key.text}\nquorum w\n"
    policy = parse_policy(lines.encode())
    for decisions in (0, 3, 0, 5):
        fill(log, decisions, f"run-{decisions}")
        log.checkpoint(key)
        request = make_request(log.path, witness.size_of(ORIGIN))
        cosigned = add_cosignature(log.path, witness.add_checkpoint(request), KEY.verify_key)
        opened = open_note(cosigned.note, [key.verify_key, KEY.verify_key])
        assert opened.verified == (key.verify_key, KEY.verify_key)
        assert witness.size_of(ORIGIN) == cosigned.size
        assert verify(log.path, policy=policy).trust == "witnessed"
    assert len(parse_note((log.path / "checkpoint").read_bytes()).signatures) == 2


def test_a_fork_is_refused(
    make_log: MakeLog, root: Path, key: SigningKey, witness: Witness
) -> None:
    """The same size with another root, then a longer one; what was cosigned stays."""
    log = make_log()
    fill(log, 2)
    log.checkpoint(key)
    witness.add_checkpoint(make_request(root, 0))
    log.close()
    shutil.rmtree(root)
    log = make_log()
    for decisions in (2, 3):
        fill(log, decisions, f"run-{decisions}")
        log.checkpoint(key)
        with pytest.raises(WitnessRefusalError) as caught:
            witness.add_checkpoint(make_request(root, 5))
        assert caught.value.exit_code == 3
    assert witness.size_of(ORIGIN) == 5


def test_a_rollback_is_refused(
    make_log: MakeLog, root: Path, key: SigningKey, witness: Witness, tmp_path: Path
) -> None:
    """An older state, signed as it was."""
    log = make_log()
    shutil.copytree(root, tmp_path / "old")
    fill(log, 2)
    log.checkpoint(key)
    witness.add_checkpoint(make_request(root, 0))
    old = make_request(tmp_path / "old", 0)
    with pytest.raises(OutdatedRequestError, match="knows 5"):
        witness.add_checkpoint(old)
    with pytest.raises(WitnessRefusalError):
        witness.add_checkpoint(old.replace(b"old 0", b"old 5"))
    with pytest.raises(ConfigError, match="no checkpoint of 5"):
        make_request(tmp_path / "old", 5)


def test_a_stranger_is_refused(log: Log, tmp_path: Path, witness: Witness) -> None:
    """A log that the witness does not know."""
    stranger = SigningKey("example.org/other", bytes(32))
    other = Log.create(tmp_path / "other", origin=stranger.name, key=stranger, clock=log._clock)
    with pytest.raises(WitnessRefusalError, match="known key"):
        witness.add_checkpoint(make_request(other.path, 0))


def test_a_witness_has_a_key_of_its_own_kind(tmp_path: Path, key: SigningKey) -> None:
    """A log's key does not cosign."""
    with pytest.raises(WrongKeyError):
        Witness(tmp_path, key=key, logs=[], clock=Clock())


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"",
        b"old 0",
        b"old x\n\n",
        b"old 00\n\nx",
        b"old 0\n!\n\nx",
        b"old 0\n" + b"QQ==\n" * 64 + b"\n",
        b"old 0\nQQ==\nnote",
    ],
)
def test_another_body_is_malformed(request_bytes: bytes) -> None:
    """Exit code 2."""
    with pytest.raises(MalformedRequestError):
        parse_request(request_bytes)


def test_a_request_has_at_most_63_hashes() -> None:
    """As many as the longest proof; a blank line ends them, whatever the note holds."""
    request = b"old 7\n" + b"QQ==\n" * 63 + b"\ntext\n\nsignature\n"
    assert parse_request(request) == (7, [b"A"] * 63, b"text\n\nsignature\n")


def test_the_first_request_has_no_proof(log: Log, witness: Witness) -> None:
    """There is nothing yet that it could be about."""
    request = make_request(log.path, 0)
    with pytest.raises(WitnessRefusalError):
        witness.add_checkpoint(request.replace(b"old 0\n", b"old 0\nQQ==\n"))
    assert witness.size_of(ORIGIN) == 0
    assert witness.add_checkpoint(request)


def test_a_log_may_begin_empty(key: SigningKey, witness: Witness) -> None:
    """An empty tree has one root; what comes first after it needs no proof."""
    for size, root, fits in (
        (0, sha256(b"x"), False),
        (0, sha256(b""), True),
        (3, sha256(b"x"), True),
    ):
        note = sign_checkpoint(Checkpoint(ORIGIN, size, root), key).note
        with contextlib.nullcontext() if fits else pytest.raises(WitnessRefusalError):
            witness.add_checkpoint(b"old 0\n\n" + note)
    assert witness.size_of(ORIGIN) == 3


def test_the_newest_cosignature_of_a_witness_is_kept(
    log: Log, key: SigningKey, witness: Witness
) -> None:
    """It replaces the one before, and the checkpoint is otherwise the same."""
    for _ in range(2):
        size = witness.size_of(ORIGIN)
        answer = witness.add_checkpoint(make_request(log.path, size))
        cosigned = add_cosignature(log.path, answer, KEY.verify_key)
        assert cosigned == read_checkpoint(cosigned.note)
        assert cosigned.note == (log.path / "checkpoint").read_bytes()
        lines = cosigned.note.splitlines(keepends=True)[-2:]
        assert lines == [sign_text(cosigned.text, key).line.encode(), answer]


def test_an_answer_is_checked_before_it_is_kept(
    make_log: MakeLog, key: SigningKey, witness: Witness
) -> None:
    """Of this witness, of this checkpoint, and one line."""
    log = make_log()
    before = (log.path / "checkpoint").read_bytes()
    answer = witness.add_checkpoint(make_request(log.path, 0))
    fill(log, 1)
    log.checkpoint(key)
    other = SigningKey("example.org/w2", bytes(32), COSIGNATURE).verify_key
    for each, by in (
        (answer, KEY.verify_key),
        (b"", KEY.verify_key),
        (answer + answer, KEY.verify_key),
        (answer, other),
    ):
        with pytest.raises(WitnessRefusalError):
            add_cosignature(log.path, each, by)
    assert before != (log.path / "checkpoint").read_bytes()
    assert len(parse_note((log.path / "checkpoint").read_bytes()).signatures) == 1


def test_nothing_signed_is_nothing_to_cosign(make_log: MakeLog, key: SigningKey) -> None:
    """Neither asked for nor added."""
    log = make_log(key=key.verify_key)
    with pytest.raises(ConfigError):
        make_request(log.path, 0)
    with pytest.raises(WitnessRefusalError):
        add_cosignature(log.path, b"", KEY.verify_key)

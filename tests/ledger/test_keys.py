"""Keys have one spelling, and a signing key one reader."""

from __future__ import annotations

import base64
import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import (
    ConfigError,
    KeyExposedError,
    KeyMissingError,
    MalformedKeyError,
    SigningKey,
    VerifyKey,
)
from ledger.keys import COSIGNATURE, ED25519

if TYPE_CHECKING:
    from pathlib import Path

KEY = SigningKey("example.org/log", bytes(32))


@pytest.mark.parametrize("algorithm", [ED25519, COSIGNATURE])
def test_text_and_parse_are_inverse(algorithm: int) -> None:
    """Both halves, both algorithms."""
    key = SigningKey.generate("example.org/w", algorithm=algorithm)
    assert SigningKey.parse(key.text) == key
    assert VerifyKey.parse(key.verify_key.text) == key.verify_key
    assert key.text.startswith("PRIVATE+KEY+example.org/w+")


def test_a_key_signs_what_its_other_half_verifies() -> None:
    """And nothing else."""
    signature = KEY.sign(b"message")
    assert KEY.verify_key.verify(b"message", signature)
    assert not KEY.verify_key.verify(b"massage", signature)
    assert not KEY.verify_key.verify(b"message", signature[:-1])


def test_the_secret_is_not_shown() -> None:
    """Neither a representation nor an error quotes it."""
    assert "seed" not in repr(KEY)
    with pytest.raises(MalformedKeyError) as caught:
        SigningKey.parse(KEY.text + "x")
    assert KEY.text[-20:] not in str(caught.value)


def test_save_and_load_are_inverse(tmp_path: Path) -> None:
    """The file is the owner's alone."""
    path = tmp_path / "log.key"
    KEY.save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert SigningKey.load(path) == KEY
    assert SigningKey.load(path).path == path
    KEY.verify_key.save(tmp_path / "log.pub")
    assert VerifyKey.load(tmp_path / "log.pub") == KEY.verify_key


def test_a_signing_key_is_never_replaced(tmp_path: Path) -> None:
    """It could not be brought back."""
    KEY.save(tmp_path / "log.key")
    with pytest.raises(ConfigError, match="there already"):
        KEY.save(tmp_path / "log.key")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o601])
def test_an_exposed_key_is_refused(tmp_path: Path, mode: int) -> None:
    """Who reads the key can sign another history."""
    KEY.save(tmp_path / "log.key")
    (tmp_path / "log.key").chmod(mode)
    with pytest.raises(KeyExposedError, match=f"{mode:04o}"):
        SigningKey.load(tmp_path / "log.key")


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    """Exit code 2."""
    with pytest.raises(KeyMissingError) as caught:
        SigningKey.load(tmp_path / "log.key")
    assert caught.value.exit_code == 2


def test_a_binary_file_is_no_key(tmp_path: Path) -> None:
    """One kind of error for one kind of fault."""
    (tmp_path / "log.key").write_bytes(b"\xff")
    with pytest.raises(MalformedKeyError):
        VerifyKey.load(tmp_path / "log.key")


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u00a0b", "a\n", "\x00", "a\u2003b"])
def test_a_name_has_no_space_and_no_plus(name: str) -> None:
    """It stands between spaces and plus signs."""
    with pytest.raises(ConfigError):
        SigningKey.generate(name)


@given(
    st.text(max_size=80)
    | st.just(KEY.verify_key.text).flatmap(
        lambda text: st.integers(0, len(text) - 1).map(lambda at: text[:at] + "A" + text[at + 1 :])
    )
)
def test_foreign_text_raises_one_exception(text: str) -> None:
    """Whatever parses is spelled as it would be written."""
    for kind in (VerifyKey, SigningKey):
        with contextlib.suppress(MalformedKeyError):
            assert kind.parse(text).text == text.strip()


@pytest.mark.parametrize(
    "text",
    [
        KEY.text.replace("+", "-", 1),
        "PRIVATE+KEY+example.org/log+00000000+" + KEY.text.rpartition("+")[2],
        KEY.text[:-2] + chr(ord(KEY.text[-2]) + 1) + KEY.text[-1],
        KEY.text + "=",
        "PRIVATE+KEY+a+b",
    ],
)
def test_another_spelling_of_a_signing_key_is_refused(text: str) -> None:
    """Beginning, id and base64 are those that would be written."""
    with pytest.raises(MalformedKeyError):
        SigningKey.parse(text)


@pytest.mark.parametrize(
    "key", [SigningKey("a", bytes(32), 2), SigningKey("a", bytes(32), 0), KEY], ids=str
)
def test_an_unknown_algorithm_is_refused(key: SigningKey) -> None:
    """With a right key id, too."""
    fits = key is KEY
    for read, text in ((SigningKey.parse, key.text), (VerifyKey.parse, key.verify_key.text)):
        with contextlib.nullcontext() if fits else pytest.raises(MalformedKeyError):
            read(text)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_seed_of_another_length_is_refused(length: int) -> None:
    """Before anything is computed with it."""
    encoded = base64.b64encode(b"\x01" + bytes(length)).decode()
    with pytest.raises(MalformedKeyError):
        SigningKey.parse(f"PRIVATE+KEY+a+00000000+{encoded}")


def test_a_key_file_holds_one_line(tmp_path: Path) -> None:
    """That ends in LF, for the tools that read lines."""
    KEY.save(tmp_path / "log.key")
    KEY.verify_key.save(tmp_path / "log.pub")
    assert (tmp_path / "log.key").read_text() == KEY.text + "\n"
    assert (tmp_path / "log.pub").read_text() == KEY.verify_key.text + "\n"
    assert SigningKey.parse(f"{KEY.text}\n") == KEY
    assert VerifyKey.parse(f" {KEY.verify_key.text}\n") == KEY.verify_key


def test_public_keys_are_read(transparency: dict[str, Any]) -> None:
    """Keys of the C2SP and Go examples, public and private."""
    notes = transparency["signed_note"]
    for vector in notes["must_verify"]:
        for text in vector["vkeys"]:
            assert VerifyKey.parse(text).text == text
        if "skey" in vector:
            assert SigningKey.parse(vector["skey"]).verify_key.text in vector["vkeys"]
    for vector in notes["must_refuse"]:
        if vector["name"].startswith("vkey"):
            with pytest.raises(MalformedKeyError):
                VerifyKey.parse(vector["vkeys"][0])

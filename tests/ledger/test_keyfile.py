"""A sealed key opens with its passphrase, and with nothing else."""

from __future__ import annotations

import base64
import hashlib
import os
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from ledger import SigningKey
from ledger.keyfile import PREFIX, PassphraseError, label_of, read_passphrase, seal, unseal
from tests.ledger.conftest import ORIGIN

if TYPE_CHECKING:
    from pathlib import Path


def test_a_sealed_key_is_the_same_key(tmp_path: Path, key: SigningKey) -> None:
    """Its file shows no seed, its mode is 0600, and its label says which key it is."""
    path = tmp_path / "log.key"
    key.save(path, passphrase=b"correct horse")
    text = path.read_text()
    assert text.startswith(PREFIX)
    assert key.text.rpartition("+")[2] not in text
    assert label_of(text) == key.verify_key.text
    assert path.stat().st_mode & 0o777 == 0o600
    loaded = SigningKey.load(path, passphrase=lambda: b"correct horse")
    assert (loaded, loaded.path) == (key, path)


def test_sealing_twice_gives_two_texts() -> None:
    """Salt and nonce are new each time."""
    assert seal("x", "l", b"p") != seal("x", "l", b"p")


def test_no_or_another_passphrase_opens_nothing(tmp_path: Path, key: SigningKey) -> None:
    """No key is guessed, and an empty passphrase is none."""
    path = tmp_path / "log.key"
    key.save(path, passphrase=b"one")
    with pytest.raises(PassphraseError, match="none was given"):
        SigningKey.load(path)
    with pytest.raises(PassphraseError, match="does not open"):
        SigningKey.load(path, passphrase=lambda: b"other")
    with pytest.raises(PassphraseError, match="empty"):
        key.save(tmp_path / "other.key", passphrase=b"")


def test_the_format_is_the_one_that_is_documented() -> None:
    """Opened by hand: scrypt of 2**15, 8 and 1, then ChaCha20-Poly1305 with the prefix as context.

    A key that was sealed by another version opens, and its label may be changed.
    """
    sealed = f"{PREFIX}AAECAwQFBgcICQoLDA0ODwABAgMEBQYHCAkKCxgEvc3V/YjTYjaTRcLmpl9K6QQ9Zzg="
    data = base64.b64decode(sealed.removeprefix(PREFIX))
    salt, nonce = bytes(range(16)), bytes(range(12))
    key = hashlib.scrypt(b"correct horse", salt=salt, n=2**15, r=8, p=1, maxmem=2**26, dklen=32)
    assert data[:28] == salt + nonce
    assert ChaCha20Poly1305(key).decrypt(nonce, data[28:], b"ENCRYPTED+KEY+") == b"secret"
    assert unseal(f"{sealed}\nany label", b"correct horse") == "secret"


@pytest.mark.parametrize("at", [len(PREFIX), len(PREFIX) + 30, len(PREFIX) + 60])
def test_an_altered_sealed_key_does_not_open(at: int) -> None:
    """Salt, nonce and content are all authenticated."""
    text = seal("secret", "label", b"p")
    other = "B" if text[at] == "A" else "A"
    with pytest.raises(PassphraseError):
        unseal(text[:at] + other + text[at + 1 :], b"p")


@pytest.mark.parametrize("text", ["", PREFIX, PREFIX + "!", PREFIX + "AAAA"])
def test_what_is_no_sealed_key_does_not_open(text: str) -> None:
    """Another shape is refused in the same way."""
    with pytest.raises(PassphraseError):
        unseal(text, b"p")


def test_a_passphrase_is_the_first_line_of_a_private_file(tmp_path: Path) -> None:
    """A file open to others is refused, and so is one that is not there."""
    path = tmp_path / "passphrase"
    with pytest.raises(PassphraseError, match="No such file"):
        read_passphrase(path)
    path.write_bytes(b"correct horse\nsecond line\n")
    path.chmod(0o644)
    with pytest.raises(PassphraseError, match="0644"):
        read_passphrase(path)
    path.chmod(0o600)
    assert read_passphrase(path) == b"correct horse"


def test_a_passphrase_comes_from_a_descriptor(tmp_path: Path) -> None:
    """`/dev/fd/N` names a pipe of the parent: nothing is stored."""
    reader, writer = os.pipe()
    os.write(writer, b"piped\n")
    os.close(writer)
    try:
        assert read_passphrase(tmp_path / f"/dev/fd/{reader}") == b"piped"
    finally:
        os.close(reader)


def test_a_key_without_passphrase_asks_for_none(tmp_path: Path) -> None:
    """The question is put only when the file is sealed."""
    key = SigningKey.generate(ORIGIN)
    key.save(tmp_path / "log.key")

    def asked() -> bytes:
        raise AssertionError

    assert SigningKey.load(tmp_path / "log.key", passphrase=asked) == key

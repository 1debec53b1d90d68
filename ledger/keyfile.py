"""A signing key under a passphrase.

Two lines: the sealed key, and the verifier key, by which one knows what would be opened::

    ENCRYPTED+KEY+base64(salt || nonce || ChaCha20-Poly1305(text of the signing key))
    <verifier key>

The cipher's key is scrypt(passphrase, salt) with N = 2**15, r = 8, p = 1: 32 MiB and about a tenth
of a second for each guess. A passphrase comes from a file that its owner alone may read, from a
descriptor or from the keyboard; never from an argument or a variable, where other processes and
shell histories see it.

Invariants
----------
1. `unseal` returns what `seal` was given, or raises: a wrong passphrase never gives another key.
"""

from __future__ import annotations

import base64
import binascii
import os
import stat
from typing import TYPE_CHECKING, Final, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from ledger.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

PREFIX: Final = "ENCRYPTED+KEY+"
SALT_BYTES: Final = 16
NONCE_BYTES: Final = 12
_COST: Final = 2**15


class PassphraseError(ConfigError):
    """A sealed key, and no passphrase or a wrong one."""

    code = "E0151"


def is_sealed(text: str) -> bool:
    """Return whether a text is a key under a passphrase."""
    return text.startswith(PREFIX)


def label_of(text: str) -> str:
    """Return the verifier key that stands below a sealed key; it is not checked."""
    return text.partition("\n")[2].strip()


def seal(text: str, label: str, passphrase: bytes) -> str:
    """Return `text` under a passphrase, with a label in the clear below it.

    Raises
    ------
    PassphraseError
        If the passphrase is empty.
    """
    if not passphrase:
        _refuse("the passphrase is empty", "an empty passphrase protects nothing")
    salt, nonce = os.urandom(SALT_BYTES), os.urandom(NONCE_BYTES)
    sealed = _cipher(salt, passphrase).encrypt(nonce, text.encode(), PREFIX.encode())
    return f"{PREFIX}{base64.b64encode(salt + nonce + sealed).decode()}\n{label}"


def unseal(text: str, passphrase: bytes) -> str:
    """Return the text that was sealed.

    Raises
    ------
    PassphraseError
        If the passphrase is not the one, or the text was altered.
    """
    try:
        data = base64.b64decode(text.partition("\n")[0].removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        data = b""
    salt, rest = data[:SALT_BYTES], data[SALT_BYTES:]
    try:
        opened = _cipher(salt, passphrase).decrypt(
            rest[:NONCE_BYTES], rest[NONCE_BYTES:], PREFIX.encode()
        )
    except (InvalidTag, ValueError):
        _refuse("the key does not open", "the passphrase is another, or the file was altered")
    return opened.decode()


def read_passphrase(path: Path) -> bytes:
    """Return the first line of a file that its owner alone may read.

    Raises
    ------
    PassphraseError
        If there is no such file, or others may read it.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        line = path.read_bytes().partition(b"\n")[0]
    except OSError as error:
        _refuse(f"no passphrase in {path}: {error.strerror}", "it is read from that file")
    if mode & 0o077:
        _refuse(
            f"the passphrase is open to others: expected mode 0600, found {mode:04o}",
            f"who reads {path} can open the key",
        )
    return line


def _cipher(salt: bytes, passphrase: bytes) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(Scrypt(salt=salt, length=32, n=_COST, r=8, p=1).derive(passphrase))


def _refuse(what: str, why: str) -> NoReturn:
    raise PassphraseError(
        what=what,
        where="passphrase",
        why=why,
        fix="put the passphrase into a file of mode 0600 and name that file",
    )

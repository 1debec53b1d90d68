"""Ed25519 keys, in the spelling of C2SP signed notes.

A key has a name (of a log, its origin), an algorithm byte and 32 bytes::

    verifier key  <name>+<key id>+base64(algorithm || public key)
    signing key   PRIVATE+KEY+<name>+<key id>+base64(0x01 || seed)

The key id is the first four bytes of SHA-256(name || LF || algorithm || public key), in hex.
Algorithm 0x01 signs notes, 0x04 cosigns checkpoints with a time. A signing key lies in a file that
its owner alone may read, and is never an argument of a command.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from ledger import durable
from ledger.errors import AlreadyThereError, ConfigError

if TYPE_CHECKING:
    from pathlib import Path

ED25519: Final = 0x01
COSIGNATURE: Final = 0x04
KEY_BYTES: Final = 32
ID_BYTES: Final = 4

_NAME = re.compile(r"[^\s+\x00-\x1f\x7f]+")
_PRIVATE = "PRIVATE+KEY+"


class KeyMissingError(ConfigError):
    """No key file where one was expected."""

    code = "E0121"


class KeyExposedError(ConfigError):
    """Others than the owner may read the file of a signing key."""

    code = "E0122"


class WrongKeyError(ConfigError):
    """A key with another name or algorithm than its use asks for."""

    code = "E0128"


class MalformedKeyError(ConfigError):
    """Text that is not a key."""

    code = "E0126"


@dataclass(frozen=True, slots=True)
class VerifyKey:
    """The public half of a key: who signed, and how to check it."""

    name: str
    public: bytes
    algorithm: int = ED25519

    @classmethod
    def parse(cls, text: str) -> VerifyKey:
        """Return the key of a verifier key text.

        Raises
        ------
        MalformedKeyError
            For any text that `text` does not write.
        """
        name, key_id, algorithm, public = _split(text.strip())
        key = cls(name, public, algorithm)
        if algorithm not in (ED25519, COSIGNATURE) or key.key_id.hex() != key_id:
            _malformed("another algorithm or key id")
        return key

    @classmethod
    def load(cls, path: Path) -> VerifyKey:
        """Return the key in a file that holds its text."""
        return cls.parse(_read(path))

    @property
    def text(self) -> str:
        """The verifier key, to be pinned in a genesis record or a policy."""
        encoded = base64.b64encode(bytes([self.algorithm]) + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"

    @property
    def key_id(self) -> bytes:
        """Four bytes that, with the name, say which key signed."""
        preimage = self.name.encode() + b"\n" + bytes([self.algorithm]) + self.public
        return hashlib.sha256(preimage).digest()[:ID_BYTES]

    def save(self, path: Path) -> None:
        """Write the text of the key to a file for all to read."""
        durable.replace(path, self.text.encode() + b"\n")

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Return whether `signature` is this key's Ed25519 signature of `message`."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The secret half of a key. Its representation does not show the seed."""

    name: str
    seed: bytes = field(repr=False)
    algorithm: int = ED25519
    path: Path | None = field(default=None, compare=False)

    @classmethod
    def generate(cls, name: str, *, algorithm: int = ED25519) -> SigningKey:
        """Return a key from the randomness of the operating system."""
        _check_name(name)
        return cls(name, os.urandom(KEY_BYTES), algorithm)

    @classmethod
    def parse(cls, text: str) -> SigningKey:
        """Return the key of a signing key text."""
        if not text.startswith(_PRIVATE):
            _malformed("no PRIVATE+KEY+ at its beginning")
        name, key_id, algorithm, seed = _split(text.strip().removeprefix(_PRIVATE))
        key = cls(name, seed, algorithm)
        if algorithm not in (ED25519, COSIGNATURE) or key.verify_key.key_id.hex() != key_id:
            _malformed("another algorithm or key id")
        return key

    @classmethod
    def load(cls, path: Path) -> SigningKey:
        """Return the key in a file.

        Raises
        ------
        KeyMissingError
            If there is no such file.
        KeyExposedError
            If the group or others may read or write it.
        """
        text = _read(path)
        if (mode := stat.S_IMODE(path.stat().st_mode)) & 0o077:
            raise KeyExposedError(
                what=f"signing key open to others: expected mode 0600, found {mode:04o}",
                where=str(path),
                why="who reads the key can sign another history",
                fix=f"chmod 600 {path}; if others had access, rotate the key",
            )
        key = cls.parse(text)
        return cls(key.name, key.seed, key.algorithm, path)

    @property
    def text(self) -> str:
        """The secret itself; it belongs into a file of mode 0600 and nowhere else."""
        encoded = base64.b64encode(bytes([self.algorithm]) + self.seed).decode()
        return f"{_PRIVATE}{self.name}+{self.verify_key.key_id.hex()}+{encoded}"

    @property
    def verify_key(self) -> VerifyKey:
        """The public half."""
        public = Ed25519PrivateKey.from_private_bytes(self.seed).public_key()
        return VerifyKey(self.name, public.public_bytes_raw(), self.algorithm)

    def save(self, path: Path) -> None:
        """Write the key to a new file of mode 0600; refuse to replace one."""
        if not durable.create(path, self.text.encode() + b"\n", mode=0o600):
            raise AlreadyThereError(
                what="a key is there already",
                where=str(path),
                why="a replaced signing key cannot be brought back",
                fix="choose another path, or move the old key away first",
            )

    def sign(self, message: bytes) -> bytes:
        """Return the Ed25519 signature of `message`."""
        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(message)


def is_name(name: str) -> bool:
    """Return whether `name` may name a key: not empty, no spaces, no plus."""
    return _NAME.fullmatch(name) is not None


def _check_name(name: str) -> None:
    if not is_name(name):
        raise WrongKeyError(
            what=f"not a name for a key: {name!r}",
            where="name",
            why="a name stands between spaces and plus signs, so it can hold neither",
            fix="use the shape of an address without scheme: example.org/firm/workspace",
        )


def _split(text: str) -> tuple[str, str, int, bytes]:
    """Return name, key id, algorithm and key bytes."""
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    try:
        decoded = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        _malformed("no base64 in its last part")
    if not is_name(name) or len(decoded) != 1 + KEY_BYTES:
        _malformed("another shape")
    if base64.b64encode(decoded).decode() != encoded:
        _malformed("another spelling of base64")
    return name, key_id, decoded[0], decoded[1:]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise KeyMissingError(
            what="no key file",
            where=str(path),
            why="checkpoints are signed and checked with it",
            fix="name the file that holds the key, or generate a key",
        ) from error
    except UnicodeDecodeError as error:
        raise MalformedKeyError(
            what="not a key: expected one line of text, found other bytes",
            where=str(path),
            why="a key file holds the key as text",
            fix="name the right file",
        ) from error


def _malformed(found: str) -> NoReturn:
    # The text itself is never quoted: it may be a secret.
    raise MalformedKeyError(
        what=f"not a key: expected <name>+<key id>+<base64>, found {found}",
        where="key",
        why="a key has one spelling, and its id is computed from it",
        fix="copy the whole text again",
    )

"""Keys in the spelling of C2SP signed notes: Ed25519, and ML-DSA-44 against quantum computers.

A key has a name (of a log, its origin), an algorithm byte and 32 bytes (ML-DSA-44: 1,312)::

    verifier key  <name>+<key id>+base64(algorithm || public key)
    signing key   PRIVATE+KEY+<name>+<key id>+base64(algorithm || seed)

The key id is the first four bytes of SHA-256(name || LF || algorithm || public key), in hex.
Algorithm 0x01 signs notes, 0x04 cosigns checkpoints with a time, 0x06 does both with ML-DSA-44
(FIPS 204). A signing key lies in a file that its owner alone may read, under a passphrase if
wanted, and is never an argument of a command.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NoReturn

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from ledger import durable, keyfile
from ledger.errors import AlreadyThereError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

ED25519: Final = 0x01
COSIGNATURE: Final = 0x04
MLDSA: Final = 0x06
KEY_BYTES: Final = 32
PUBLIC_BYTES: Final = {ED25519: 32, COSIGNATURE: 32, MLDSA: 1312}
SIGNATURE_BYTES: Final = {ED25519: 64, COSIGNATURE: 64, MLDSA: 2420}
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


class AlgorithmMissingError(ConfigError):
    """The cryptographic library of this machine lacks an algorithm or a package."""

    code = "E0155"


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
        if PUBLIC_BYTES.get(algorithm) != len(public) or key.key_id.hex() != key_id:
            _malformed("another algorithm, length or key id")
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
        """Return whether `signature` is this key's signature of `message`.

        Raises
        ------
        AlgorithmMissingError
            If this machine cannot check an ML-DSA-44 signature.
        """
        try:
            if self.algorithm == MLDSA:
                mldsa = _mldsa()
                mldsa.MLDSA44PublicKey.from_public_bytes(self.public).verify(signature, message)
            else:
                Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            return False
        except UnsupportedAlgorithm as error:
            raise _algorithm_missing() from error
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
        """Return the key of a signing key text, which stands under no passphrase."""
        if not text.startswith(_PRIVATE):
            _malformed("no PRIVATE+KEY+ at its beginning")
        name, key_id, algorithm, seed = _split(text.strip().removeprefix(_PRIVATE))
        key = cls(name, seed, algorithm)
        known = algorithm in PUBLIC_BYTES and len(seed) == KEY_BYTES
        if not known or key.verify_key.key_id.hex() != key_id:
            _malformed("another algorithm, length or key id")
        return key

    @classmethod
    def load(cls, path: Path, *, passphrase: Callable[[], bytes] | None = None) -> SigningKey:
        """Return the key in a file.

        Parameters
        ----------
        path : Path
            The file.
        passphrase : Callable[[], bytes], optional
            Asked only when the key is under a passphrase.

        Raises
        ------
        KeyMissingError
            If there is no such file.
        KeyExposedError
            If the group or others may read or write it.
        PassphraseError
            If the key is under a passphrase, and none or a wrong one is given.
        """
        text = _read(path)
        if (mode := stat.S_IMODE(path.stat().st_mode)) & 0o077:
            raise KeyExposedError(
                what=f"signing key open to others: expected mode 0600, found {mode:04o}",
                where=str(path),
                why="who reads the key can sign another history",
                fix=f"chmod 600 {path}; if others had access, rotate the key",
            )
        if keyfile.is_sealed(text):
            if passphrase is None:
                raise _no_passphrase(path)
            text = keyfile.unseal(text, passphrase())
        key = cls.parse(text)
        return cls(key.name, key.seed, key.algorithm, path)

    @property
    def text(self) -> str:
        """The secret itself; it belongs into a file of mode 0600 and nowhere else."""
        encoded = base64.b64encode(bytes([self.algorithm]) + self.seed).decode()
        return f"{_PRIVATE}{self.name}+{self.verify_key.key_id.hex()}+{encoded}"

    @property
    def verify_key(self) -> VerifyKey:
        """The public half.

        Raises
        ------
        AlgorithmMissingError
            If this machine has no ML-DSA-44 and the key is one.
        """
        public: bytes
        if self.algorithm == MLDSA:
            public = _mldsa_private(self.seed).public_key().public_bytes_raw()
        else:
            public = Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw()
        return VerifyKey(self.name, public, self.algorithm)

    def save(self, path: Path, *, passphrase: bytes | None = None) -> None:
        """Write the key to a new file of mode 0600, sealed if given a passphrase.

        Raises
        ------
        AlreadyThereError
            If there is a file; a key is never replaced.
        PassphraseError
            If the passphrase is empty.
        """
        text = self.text
        if passphrase is not None:
            text = keyfile.seal(text, self.verify_key.text, passphrase)
        if not durable.create(path, text.encode() + b"\n", mode=0o600):
            raise AlreadyThereError(
                what="a key is there already",
                where=str(path),
                why="a replaced signing key cannot be brought back",
                fix="choose another path, or move the old key away first",
            )

    def sign(self, message: bytes) -> bytes:
        """Return the signature of `message`."""
        if self.algorithm == MLDSA:
            signature: bytes = _mldsa_private(self.seed).sign(message)
            return signature
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
        decoded = base64.b64decode(encoded)
    except (binascii.Error, ValueError):
        _malformed("no base64 in its last part")
    if not is_name(name) or not decoded:
        _malformed("another shape")
    if base64.b64encode(decoded).decode() != encoded:
        _malformed("another spelling of base64")
    return name, key_id, decoded[0], decoded[1:]


def _mldsa() -> ModuleType:
    try:
        from cryptography.hazmat.primitives.asymmetric import mldsa  # noqa: PLC0415 - not in all
    except ImportError as error:
        raise _algorithm_missing() from error
    return mldsa


def _mldsa_private(seed: bytes) -> Any:  # noqa: ANN401 - a class that older libraries lack
    mldsa = _mldsa()
    try:
        return mldsa.MLDSA44PrivateKey.from_seed_bytes(seed)
    except UnsupportedAlgorithm as error:
        raise _algorithm_missing() from error


def _algorithm_missing() -> AlgorithmMissingError:
    return AlgorithmMissingError(
        what="ML-DSA-44 is not available",
        where="package cryptography",
        why="this build of the library, or its OpenSSL, has no ML-DSA",
        fix="install cryptography 50 or later from its wheels, or work without the second key",
    )


def _no_passphrase(path: Path) -> keyfile.PassphraseError:
    return keyfile.PassphraseError(
        what="the key is under a passphrase, and none was given",
        where=str(path),
        why="a sealed key signs only once it is opened",
        fix="name the file of the passphrase with --passphrase-file, or set "
        "ASSAY_KEY_PASSPHRASE_FILE to its path",
    )


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

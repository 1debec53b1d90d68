"""Digests: SHA-256, lower-case hexadecimal."""

from __future__ import annotations

import hashlib
import re
from typing import NewType

Digest = NewType("Digest", str)
"""64 lower-case hexadecimal characters."""

ZERO = Digest("0" * 64)
"""The `prev_hash` of the genesis record: no record stands before it."""

_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)


def sha256(data: bytes) -> Digest:
    """Return the digest of `data`.

    >>> sha256(b"")
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
    """
    return Digest(hashlib.sha256(data).hexdigest())


def is_digest(value: object) -> bool:
    """Return whether `value` is the text of a digest."""
    return isinstance(value, str) and _HEX.fullmatch(value) is not None

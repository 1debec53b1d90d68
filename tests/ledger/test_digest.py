"""Digests are lower-case hexadecimal of a SHA-256."""

from __future__ import annotations

import pytest

from ledger import ZERO, is_digest, sha256


def test_sha256_of_abc_is_the_published_one() -> None:
    """FIPS 180-2, appendix B.1."""
    assert sha256(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize("value", [ZERO, sha256(b"")])
def test_a_digest_is_one(value: object) -> None:
    """64 lower-case hexadecimal characters."""
    assert is_digest(value)


@pytest.mark.parametrize(
    "value", ["", ZERO[1:], ZERO + "0", ZERO[:-1] + "A", ZERO + "\n", "\u0660" * 64, 0, None]
)
def test_other_values_are_none(value: object) -> None:
    """Neither another length, case, digit nor type."""
    assert not is_digest(value)

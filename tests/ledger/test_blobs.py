"""A blob is what its name says, or is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ledger import BlobAlteredError, BlobMissingError, BlobStore, ConfigError, Digest, sha256

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    """Return an empty store in a folder that is not there yet."""
    return BlobStore(tmp_path / "a" / "blobs")


@pytest.mark.parametrize("data", [b"", b"x", bytes(100_000)])
def test_what_was_put_is_got(store: BlobStore, data: bytes) -> None:
    """Invariant 1, and the layout: two characters, then the rest; read-only."""
    digest = store.put(data)
    assert digest == sha256(data)
    assert store.get(digest) == data
    path = store.root / "sha256" / digest[:2] / digest[2:]
    assert path == store.path(digest)
    assert path.stat().st_mode & 0o777 == 0o444


def test_storing_twice_keeps_the_first(store: BlobStore) -> None:
    """The same bytes are one file, from whichever store they come."""
    digest = store.put(b"x")
    before = store.path(digest).stat()
    assert store.put(b"x") == BlobStore(store.root).put(b"x") == digest
    assert store.path(digest).stat() == before


def test_nothing_is_left_behind(store: BlobStore) -> None:
    """No temporary file outlives a call."""
    digest = store.put(b"x")
    BlobStore(store.root).put(b"x")
    assert [each for each in store.root.rglob("*") if each.is_file()] == [store.path(digest)]


def test_altered_bytes_are_never_returned(store: BlobStore) -> None:
    """Invariants 2 and 3: altered content is found, not returned and not repaired."""
    digest = store.put(b"x")
    store.path(digest).chmod(0o644)
    store.path(digest).write_bytes(b"y")
    with pytest.raises(BlobAlteredError, match=sha256(b"y")):
        store.get(digest)
    with pytest.raises(BlobAlteredError):
        BlobStore(store.root).put(b"x")
    assert store.has(digest)


def test_a_missing_blob_is_told_from_an_altered_one(store: BlobStore) -> None:
    """It is a matter of where one looks, not of integrity."""
    assert not store.has(sha256(b"x"))
    with pytest.raises(BlobMissingError):
        store.get(sha256(b"x"))


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "0" * 63])
def test_a_name_is_a_digest(store: BlobStore, name: str) -> None:
    """No other text reaches the file system."""
    with pytest.raises(ConfigError, match="not a digest"):
        store.path(Digest(name))


def test_iteration_is_sorted_and_skips_strangers(store: BlobStore) -> None:
    """Digests in ascending order; other files are not blobs."""
    assert list(store) == []
    digests = sorted(store.put(bytes([n])) for n in range(20))
    (store.root / "sha256" / "README").write_text("x")
    (store.root / "sha256" / digests[0][:2] / ".tmp-x").write_text("x")
    assert list(store) == digests

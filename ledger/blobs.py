"""Content-addressed store of inputs and outputs.

A blob is immutable bytes named by their digest, at `blobs/sha256/ab/cdef...`, mode 0444. The bytes
are durable before `put` returns, so that a record may name them.

Invariants
----------
1. `get(put(data)) == data`.
2. `get` never returns bytes whose digest is not the name that was asked for.
3. A stored blob is never changed; another content under its name is refused, not repaired.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ledger import durable
from ledger.digest import Digest, is_digest, sha256
from ledger.errors import ConfigError, IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PREFIX = re.compile(r"[0-9a-f]{2}")
_REST = re.compile(r"[0-9a-f]{62}")


class BlobMissingError(ConfigError):
    """No blob has this digest here."""

    code = "E0125"

    @property
    def digest(self) -> str:
        """The name that was asked for: the last two parts of the path."""
        return "".join(self.where.split("/")[-2:])


class BlobAlteredError(IntegrityError):
    """The bytes under a digest are not those of the digest."""

    code = "E0104"


class BlobStore:
    """The blobs below one folder.

    Parameters
    ----------
    root : Path
        The folder that holds `sha256/`. It is made when the first blob is stored.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        # Known to be durable and right: a sweep stores the same panel thousands of times.
        self._durable: set[Digest] = set()

    def put(self, data: bytes) -> Digest:
        """Store `data` and return its digest, once the bytes are durable."""
        digest = sha256(data)
        if digest in self._durable:
            return digest
        path = self.path(digest)
        durable.make_folder(path.parent)
        if not durable.create(path, data):
            self.get(digest)
        self._durable.add(digest)
        return digest

    def get(self, digest: Digest) -> bytes:
        """Return the bytes of `digest`.

        Raises
        ------
        BlobMissingError
            If there is no such blob.
        BlobAlteredError
            If the stored bytes have another digest.
        """
        path = self.path(digest)
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise BlobMissingError(
                what=f"no blob {digest}",
                where=str(path),
                why="it was never stored here, was moved, or was erased under a redaction",
                fix="copy it from where the record was made, or look for a redaction record",
            ) from error
        if (found := sha256(data)) != digest:
            raise BlobAlteredError(
                what=f"blob altered: expected {digest}, found {found}",
                where=str(path),
                why="the bytes are not those that were stored",
                fix="restore the file from a copy; the digest says which copy is right",
            )
        return data

    def erase(self, digest: Digest) -> None:
        """Take the bytes of `digest` away; `ledger.redaction` records it first."""
        path = self.path(digest)
        self._durable.discard(digest)
        if path.exists():
            durable.remove(path)

    def has(self, digest: Digest) -> bool:
        """Return whether a blob of this name is stored, without reading it."""
        return self.path(digest).is_file()

    def path(self, digest: Digest) -> Path:
        """Return where the blob of `digest` is, or would be, stored."""
        if not is_digest(digest):
            raise ConfigError(
                what=f"not a digest: {digest!r}",
                where=str(self.root),
                why="a blob is named by 64 lower-case hexadecimal characters",
                fix="pass a name from `inputs` or `outputs` of a record",
            )
        return self.root / "sha256" / digest[:2] / digest[2:]

    def __iter__(self) -> Iterator[Digest]:
        """Yield the digests of all stored blobs, in ascending order."""
        folder = self.root / "sha256"
        prefixes = sorted(each for each in _names(folder) if _PREFIX.fullmatch(each))
        for prefix in prefixes:
            for rest in sorted(_names(folder / prefix)):
                if _REST.fullmatch(rest):
                    yield Digest(prefix + rest)


def _names(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()] if folder.is_dir() else []

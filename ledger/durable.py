"""The only code that puts evidence on a disk.

A function returns when the bytes are durable, or raises `StorageError`. After it has raised, the
state of the file is unknown: the caller stops using its handle and reads the file again.
`fdatasync` and `fsync` are never retried: the kernel may have dropped the dirty pages.

Invariants
----------
1. A reader of a path written by `create` or `replace` sees the old bytes, the new bytes or no
   file; never a part.
2. A name is durable when its folder was synchronised after the rename.
3. `append` is one system call; a short write is an error.

Known limits: a disk that lies about its cache is beyond us.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from typing import TYPE_CHECKING

from ledger.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_datasync = getattr(os, "fdatasync", os.fsync)


@contextlib.contextmanager
def translated(where: str, why: str) -> Iterator[None]:
    """Turn an `OSError` inside the block into a `StorageError` that says where."""
    try:
        yield
    except OSError as error:
        raise refused(where, why, error) from error


def refused(where: str, why: str, error: OSError) -> StorageError:
    """Return the error that says what the operating system refused, and where."""
    return StorageError(
        what=f"{why}: {error.strerror}",
        where=where,
        why="the operating system refused; what reached the disk is unknown",
        fix="look at free space, permissions and the disk; then run again",
    )


def append(descriptor: int, data: bytes, *, where: str) -> None:
    """Write `data` with one system call and wait until it is on the disk."""
    try:
        written = os.write(descriptor, data)
        if written == len(data):
            _datasync(descriptor)
    except OSError as error:
        raise refused(where, "cannot append", error) from error
    if written != len(data):
        short = OSError(0, f"short write, {written} of {len(data)} bytes")
        raise refused(where, "cannot append", short)


def truncate(descriptor: int, size: int, *, where: str) -> None:
    """Cut a file to `size` bytes and wait until it is so on the disk."""
    with translated(where, "cannot truncate"):
        os.ftruncate(descriptor, size)
        os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Wait until the names in `folder` are on the disk."""
    with translated(str(folder), "cannot synchronise the folder"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make `folder` and what is missing above it, durably."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        with translated(str(each), "cannot make the folder"):
            each.mkdir(exist_ok=True)
        sync_folder(each.parent)


def create(path: Path, data: bytes, *, mode: int = 0o444) -> bool:
    """Write a new file; return whether this call made it.

    An existing file is left as it is: the caller decides what a difference means. A crash leaves
    at most a file whose name starts with `.tmp-`.
    """
    temporary = _temporary(path, data, mode)
    try:
        with translated(str(path), "cannot create"):
            os.link(temporary, path)
    except StorageError as error:
        if not isinstance(error.__cause__, FileExistsError):
            raise
        return False
    finally:
        os.unlink(temporary)  # noqa: PTH108 - as bare as its neighbours
        sync_folder(path.parent)
    return True


def replace(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write a file, in the place of an older one if there is one."""
    temporary = _temporary(path, data, mode)
    with translated(str(path), "cannot replace"):
        os.replace(temporary, path)  # noqa: PTH105 - as bare as its neighbours
    sync_folder(path.parent)


def rename(source: Path, target: Path) -> None:
    """Give a file another name in the same folder, durably."""
    with translated(str(source), "cannot rename"):
        source.rename(target)
    sync_folder(target.parent)


def remove(path: Path) -> None:
    """Take a file away, durably; one that is gone already is no error."""
    with translated(str(path), "cannot remove"):
        path.unlink(missing_ok=True)
    sync_folder(path.parent)


def _temporary(path: Path, data: bytes, mode: int) -> str:
    with translated(str(path), "cannot write"):
        descriptor, temporary = tempfile.mkstemp(prefix=".tmp-", dir=path.parent)
        try:
            os.fchmod(descriptor, mode)
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        except OSError:
            os.unlink(temporary)  # noqa: PTH108 - as bare as its neighbours
            raise
        finally:
            os.close(descriptor)
    return temporary

"""The lock that a writer holds while it appends.

The lock is `flock` on a file of its own that is never renamed. It is held for one append, not for
the life of a log, so many processes may append in turn. The file names the last holder, so that
whoever waits in vain can be told for whom.

Known limits: `flock` says nothing across machines. A folder on a network file system is refused.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ledger import canonical, durable
from ledger.errors import ConfigError, IntegrityError, LedgerError

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_PAUSE: Final = 0.0005
LONGEST_PAUSE: Final = 0.05
_HOLDER_BYTES = 1024
_MOUNTS = Path("/proc/self/mountinfo")
_NETWORK = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "coda", "gfs2", "glusterfs", "gpfs", "lustre"}
    | {"ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "smb2", "smb3", "smbfs"}
    | {"fuse.ceph", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs"}
)


class LockedError(LedgerError):
    """Another process holds the lock; try again."""

    code = "E0110"
    exit_code = 75


class NetworkFileSystemError(ConfigError):
    """The ledger would lie where locks and syncs cannot be relied upon."""

    code = "E0112"


class Lock:
    """The lock file of one ledger, opened by one process.

    Parameters
    ----------
    path : Path
        The file; it is made if it is missing.
    """

    def __init__(self, path: Path) -> None:
        self.process = os.getpid()
        self._path = path
        self._name = canonical.dumps({"host": socket.gethostname(), "pid": self.process}) + b"\n"
        with durable.translated(str(path), "cannot open the lock"):
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    @contextlib.contextmanager
    def held(self, wait_seconds: float) -> Iterator[None]:
        """Hold the lock.

        Raises
        ------
        LockedError
            If it is still held elsewhere after `wait_seconds`.
        """
        self._acquire(wait_seconds)
        try:
            self._name_holder()
            yield
        finally:
            self._release()

    def _name_holder(self) -> None:
        # Never made durable: after a crash nobody holds the lock.
        try:
            if os.pread(self._descriptor, _HOLDER_BYTES, 0) != self._name:
                os.ftruncate(self._descriptor, 0)
                os.pwrite(self._descriptor, self._name, 0)
        except OSError as error:
            raise durable.refused(
                str(self._path), "cannot write the holder's name", error
            ) from error

    def _release(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        except OSError as error:
            raise durable.refused(str(self._path), "cannot release the lock", error) from error

    def close(self) -> None:
        """Let the file go; closing twice is allowed."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _acquire(self, wait_seconds: float) -> None:
        deadline = time.monotonic() + wait_seconds
        pause = FIRST_PAUSE
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    raise _locked(self._descriptor, self._path, wait_seconds) from error
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            except OSError as error:
                raise durable.refused(str(self._path), "cannot take the lock", error) from error
            else:
                return


def _locked(descriptor: int, path: Path, wait_seconds: float) -> LockedError:
    return LockedError(
        what=f"the ledger is locked: waited {wait_seconds:g} s for {read_holder(descriptor)}",
        where=str(path),
        why="one process at a time appends",
        fix="try again, or wait longer",
    )


def read_holder(descriptor: int) -> str:
    """Return who wrote their name into the lock file last, as text."""
    try:
        holder = canonical.loads(os.pread(descriptor, _HOLDER_BYTES, 0).removesuffix(b"\n"))
    except IntegrityError:
        return "an unknown process"
    if not isinstance(holder, dict):
        return "an unknown process"
    return f"process {holder.get('pid')} on {holder.get('host')}"


def refuse_network(folder: Path) -> None:
    """Raise `NetworkFileSystemError` if `folder` lies on a network file system."""
    kind = file_system(folder, _read_mounts())
    if kind in _NETWORK:
        raise NetworkFileSystemError(
            what=f"refused: the file system is {kind}",
            where=str(folder),
            why="locks and syncs over a network are not reliable; two writers could fork the chain",
            fix="keep the ledger on a local disk, and copy checkpoints and segments elsewhere",
        )


def file_system(folder: Path, mounts: str) -> str:
    """Return the type of the file system of `folder`, by a table like `/proc/self/mountinfo`."""
    resolved = folder.resolve()
    best, kind = -1, ""
    for line in mounts.splitlines():
        head, _, tail = line.partition(" - ")
        place = Path(head.split(" ")[4].replace("\\040", " "))
        if resolved.is_relative_to(place) and len(place.parts) >= best:
            best, kind = len(place.parts), tail.split(" ")[0]
    return kind


def _read_mounts() -> str:
    # A system without this table cannot tell; then nothing is refused.
    return _MOUNTS.read_text(encoding="utf-8", errors="replace") if _MOUNTS.exists() else ""

"""One process at a time appends, and whoever waits in vain is told for whom."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ledger import LockedError, NetworkFileSystemError, StorageError, lock
from ledger.lock import Lock, file_system, refuse_network

HOLD = """
import sys
from pathlib import Path
from ledger.lock import Lock
with Lock(Path(sys.argv[1])).held(0):
    print("held", flush=True)
    sys.stdin.read()
"""
MOUNTS = """\
22 1 252:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
40 22 0:40 / /mnt rw,relatime shared:20 - tmpfs tmpfs rw
41 40 0:41 / /mnt/share\\040one rw,relatime shared:21 - nfs4 server:/x rw
"""


def test_a_lock_held_elsewhere_is_named(tmp_path: Path) -> None:
    """The error says which process on which machine, and has exit code 75."""
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        mine = Lock(path)
        with pytest.raises(LockedError) as caught, mine.held(0.02):
            pass
        assert f"process {other.pid} on {socket.gethostname()}" in caught.value.what
        assert caught.value.exit_code == 75
        other.communicate(b"")
    with mine.held(5):
        pass
    mine.close()
    mine.close()


def test_waiting_ends_when_the_lock_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits long enough gets it."""
    first, second = Lock(tmp_path / "lock"), Lock(tmp_path / "lock")
    held = first.held(0)
    held.__enter__()
    monkeypatch.setattr("ledger.lock.time.sleep", lambda _: held.__exit__(None, None, None))
    with second.held(5):
        assert f"process {os.getpid()}" in lock.read_holder(second._descriptor)
    first.close()
    second.close()


def _refuse(*_: object) -> None:
    raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("ledger.lock.fcntl.flock", "cannot take"),
        ("ledger.lock.os.pread", "cannot write"),
        ("", "cannot release"),
    ],
)
def test_a_fault_of_the_lock_file_is_a_fault_of_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, why: str
) -> None:
    """Taking it, writing into it, releasing it; it is free again afterwards."""
    lock_file = Lock(tmp_path / "lock")
    flock = fcntl.flock

    def fail_to_release(descriptor: int, operation: int) -> None:
        flock(descriptor, operation)
        if operation == fcntl.LOCK_UN:
            _refuse()

    fault = _refuse if name else fail_to_release
    monkeypatch.setattr(name or "ledger.lock.fcntl.flock", fault)
    with pytest.raises(StorageError, match=why), lock_file.held(0):
        pass
    monkeypatch.undo()
    with lock_file.held(0):
        pass
    lock_file.close()


@pytest.mark.parametrize("content", [b"", b"nonsense", b"[1]"])
def test_an_unreadable_name_is_an_unknown_process(tmp_path: Path, content: bytes) -> None:
    """The content of the file is a courtesy, not a condition."""
    (tmp_path / "lock").write_bytes(content)
    descriptor = os.open(tmp_path / "lock", os.O_RDONLY)
    assert lock.read_holder(descriptor) == "an unknown process"
    os.close(descriptor)


@pytest.mark.parametrize(
    ("folder", "kind"),
    [("/", "ext4"), ("/a/b", "ext4"), ("/mnt/x", "tmpfs"), ("/mnt/share one/x", "nfs4")],
)
def test_the_deepest_mount_decides(folder: str, kind: str) -> None:
    """A folder has the file system of the mount above it."""
    assert file_system(Path(folder), MOUNTS) == kind
    assert file_system(Path(folder), "") == ""


def test_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two writers there could fork the chain."""
    (tmp_path / "mounts").write_text(f"22 1 0:1 / {tmp_path} rw - nfs server:/x rw\n")
    refuse_network(tmp_path)
    monkeypatch.setattr(lock, "_MOUNTS", tmp_path / "mounts")
    with pytest.raises(NetworkFileSystemError, match="nfs"):
        refuse_network(tmp_path / "ledger")
    monkeypatch.setattr(lock, "_MOUNTS", tmp_path / "missing")
    refuse_network(tmp_path)

"""A reader sees old bytes or new bytes, and a caller is told what the disk refused."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from ledger import StorageError, durable

if TYPE_CHECKING:
    from pathlib import Path


def test_create_makes_a_file_once(tmp_path: Path) -> None:
    """The second call changes nothing and says so."""
    path = tmp_path / "a"
    assert durable.create(path, b"one", mode=0o400)
    assert not durable.create(path, b"two")
    assert path.read_bytes() == b"one"
    assert path.stat().st_mode & 0o777 == 0o400
    assert list(tmp_path.iterdir()) == [path]


def test_replace_puts_a_file_in_place_of_another(tmp_path: Path) -> None:
    """Nothing else is left in the folder."""
    path = tmp_path / "a"
    durable.replace(path, b"one")
    durable.replace(path, b"two", mode=0o444)
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]


def test_rename_and_truncate_do_what_they_say(tmp_path: Path) -> None:
    """And are on the disk when they return."""
    (tmp_path / "a").write_bytes(b"12345")
    durable.rename(tmp_path / "a", tmp_path / "b")
    descriptor = os.open(tmp_path / "b", os.O_RDWR | os.O_APPEND)
    durable.truncate(descriptor, 2, where="b")
    durable.append(descriptor, b"67", where="b")
    os.close(descriptor)
    assert (tmp_path / "b").read_bytes() == b"1267"


def test_folders_are_made_with_those_above(tmp_path: Path) -> None:
    """Folders that are there are left alone."""
    durable.make_folder(tmp_path / "a" / "b" / "c")
    durable.make_folder(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").is_dir()


def test_a_short_write_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Invariant 3: what was not written whole is not acknowledged."""
    descriptor = os.open(tmp_path / "a", os.O_RDWR | os.O_CREAT)
    monkeypatch.setattr(os, "write", lambda *_: 1)
    with pytest.raises(StorageError, match="short write, 1 of 2 bytes"):
        durable.append(descriptor, b"12", where="a")
    os.close(descriptor)


@pytest.mark.parametrize("name", ["write", "fsync", "fchmod"])
def test_a_refusal_leaves_no_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The old content stays."""
    durable.replace(tmp_path / "a", b"one")

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, name, refuse)
    with pytest.raises(StorageError, match="No space left"):
        durable.replace(tmp_path / "a", b"two")
    monkeypatch.undo()
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"one"]


def test_every_operation_reports_its_place(tmp_path: Path) -> None:
    """A fault of the system has a code and a file."""
    missing = tmp_path / "missing" / "a"
    for operation in (
        lambda: durable.create(missing, b""),
        lambda: durable.replace(missing, b""),
        lambda: durable.rename(missing, missing),
        lambda: durable.sync_folder(missing),
        lambda: durable.append(-1, b"x", where=str(missing)),
        lambda: durable.truncate(-1, 0, where=str(missing)),
    ):
        with pytest.raises(StorageError) as caught:
            operation()
        assert caught.value.where.startswith(str(missing))


def test_a_link_that_is_refused_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any reason but an existing file."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EMLINK, "Too many links")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(StorageError, match="Too many links"):
        durable.create(tmp_path / "a", b"one")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    """A file stands in its place."""
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(StorageError):
        durable.make_folder(tmp_path / "a" / "b")

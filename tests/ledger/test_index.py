"""The table of ids finds what was entered, and is not believed when it should not be."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import StorageError, index
from ledger.index import FIRST_SLOTS, Index, Place, Position, run_of, tag_of

if TYPE_CHECKING:
    from pathlib import Path

POSITION = Position(Place(0, 100), bytes(range(32)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the table goes; its folder is not there yet."""
    return tmp_path / "cache" / "ids"


def test_what_was_entered_is_found(path: Path) -> None:
    """Also after growing, by a second process, and after another one replaced the file."""
    mine, other = Index(path), Index(path)
    assert mine.attach() is None
    mine.reset()
    assert other.attach() == Position(Place(0, 0), bytes(32))
    count = FIRST_SLOTS * 3
    for n in range(count):
        mine.add(tag_of("note", str(n)), Place(n, 7 * n), n)
    mine.cover(POSITION)
    assert other.attach() == POSITION
    for table in (mine, other):
        for n in range(count):
            assert table.find(tag_of("note", str(n))) == (Place(n, 7 * n), n)
        assert table.find(tag_of("note", "missing")) is None
        assert table.find(tag_of("intent", "0")) is None
        table.close()
    again = Index(path)
    assert again.attach() == POSITION
    assert again.find(tag_of("note", "5")) == (Place(5, 35), 5)
    again.close()


def test_the_first_place_of_a_name_is_kept(path: Path) -> None:
    """Entering again after a crash changes nothing."""
    table = Index(path)
    table.reset()
    table.add(tag_of("note", "a"), Place(1, 1), 1)
    table.add(tag_of("note", "a"), Place(2, 2), 2)
    assert table.find(tag_of("note", "a")) == (Place(1, 1), 1)
    table.close()


def test_a_table_of_another_start_of_the_machine_is_not_believed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pages may have reached the disk in any order."""
    table = Index(path)
    table.reset()
    table.cover(POSITION)
    table.close()
    boot = path.with_name("boot")
    boot.write_text("another")
    monkeypatch.setattr(index, "_BOOT", boot)
    assert Index(path).attach() is None
    boot.unlink()
    assert index.boot_name() != index.boot_name()


@pytest.mark.parametrize(
    "content", [b"", b"x" * 50, b"x" * 128, bytes(4096), b"assay-i1" + bytes(500)]
)
def test_a_file_that_is_no_table_is_not_believed(path: Path, content: bytes) -> None:
    """Whatever stands there is replaced."""
    path.parent.mkdir()
    path.write_bytes(content)
    table = Index(path)
    assert table.attach() is None
    table.reset()
    assert table.attach() is not None
    table.close()


def test_a_full_table_is_reported_not_searched_for_ever(path: Path) -> None:
    """Something else wrote to it."""
    table = Index(path)
    table.reset(4)
    table.close()
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as raw:
        raw[128:] = b"x" * (len(raw) - 128)
    table.attach()
    with pytest.raises(StorageError, match="damaged"):
        table.find(tag_of("note", "a"))
    table.close()


def test_use_before_attaching_is_a_fault(path: Path) -> None:
    """A table is attached or reset first."""
    with pytest.raises(RuntimeError):
        Index(path).find(tag_of("note", "a"))


@given(st.text(), st.text())
def test_names_and_runs_are_told_apart(one: str, other: str) -> None:
    """Equal only if they are equal."""
    assert (tag_of("a", one) == tag_of("a", other)) == (one == other)
    assert (run_of(one) == run_of(other)) == (one == other)

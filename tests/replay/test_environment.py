"""The environment of a run is known exactly, or the run does not start."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from replay.environment import CHECKOUT, capture, compare
from replay.errors import EnvironmentUnknownError

if TYPE_CHECKING:
    from pathlib import Path


def git(folder: Path, *arguments: str) -> None:
    """Run git in a folder as a user of its own."""
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a clean repository with one commit and a lock file."""
    git(tmp_path, "init", "-q")
    shutil.copy(CHECKOUT / "uv.lock", tmp_path / "uv.lock")
    (tmp_path / "code.py").write_text("x = 1\n", encoding="utf-8")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def test_clean_checkout(checkout: Path) -> None:
    """A clean tree has no diff and nothing untracked."""
    environment = capture(checkout)
    assert not environment.dirty
    assert set(environment.documents) == {"lock"}
    assert len(environment.commit) == 40


def test_changed_file_is_recorded_with_its_diff(checkout: Path) -> None:
    """The bytes of the change are kept: the commit alone would not say what ran."""
    (checkout / "code.py").write_text("x = 2\n", encoding="utf-8")
    environment = capture(checkout)
    assert environment.dirty
    assert b"+x = 2" in environment.documents["diff"]


def test_untracked_file_is_recorded_by_digest(checkout: Path) -> None:
    """A file git does not know makes the tree dirty."""
    (checkout / "more.py").write_text("y = 1\n", encoding="utf-8")
    environment = capture(checkout)
    assert environment.dirty
    assert list(environment.untracked) == ["more.py"]


def test_folder_without_git_is_refused(tmp_path: Path) -> None:
    """No commit, no run."""
    with pytest.raises(EnvironmentUnknownError, match="git checkout"):
        capture(tmp_path)


def test_repository_without_commit_is_refused(tmp_path: Path) -> None:
    """An unborn branch has no commit to name."""
    git(tmp_path, "init", "-q")
    with pytest.raises(EnvironmentUnknownError, match="commit"):
        capture(tmp_path)


def test_missing_lock_is_refused(checkout: Path) -> None:
    """Versions that nobody pinned are not recorded as if they were."""
    (checkout / "uv.lock").unlink()
    with pytest.raises(EnvironmentUnknownError, match=r"uv\.lock"):
        capture(checkout)


def test_comparison_names_the_fields_that_differ(checkout: Path) -> None:
    """Each decisive field gives one line with both values."""
    one = capture(checkout).to_payload()
    other = {**one, "python": "3.10.0", "threads": {"openblas": 64}}
    assert compare(one, one) == []
    assert compare(one, other) == [f"python: recorded {one['python']}, found 3.10.0"]

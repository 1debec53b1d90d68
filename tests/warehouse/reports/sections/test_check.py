"""What the page tells a stranger to type works as printed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest

from tests.warehouse.reports.conftest import page_of
from tests.warehouse.reports.outline import outline_of
from warehouse.reports import render

if TYPE_CHECKING:
    from tests.warehouse.reports.conftest import Signed
    from tests.warehouse.reports.outline import Element

ROOT = Path(__file__).parents[4]


@pytest.fixture
def folder(workspace: Path, tmp_path: Path) -> Path:
    """Return a folder with a copy of the workspace in it, as a reader has it."""
    shutil.copytree(workspace / "ledger", tmp_path / ".assay" / "ledger")
    return tmp_path


def commands(page: Element) -> dict[str, tuple[str, str]]:
    """Return the first word of each title -> command and what to expect."""
    return {
        item.all("p")[0].text: (item.all("pre")[0].text, item.all("samp")[0].text)
        for item in page.of_class("commands")[0].all("li")
    }


def command(page: Element, words: str) -> tuple[str, str]:
    """Return the command whose title holds these words."""
    (found,) = [value for title, value in commands(page).items() if words in title]
    return found


def shell(text: str, folder: Path) -> str:
    """Run a command as a reader does and return what it prints."""
    done = subprocess.run(
        ["/bin/sh", "-c", text], cwd=folder, capture_output=True, check=False, text=True
    )
    return done.stdout.strip() if done.returncode == 0 else f"exit {done.returncode}: {done.stderr}"


@pytest.mark.skipif(shutil.which("perl") is None, reason="the reader has no Perl")
def test_perl_finds_the_head(page: Element, folder: Path) -> None:
    """The Perl line prints the number of records and the head of the report."""
    text, expected = command(page, "Perl")
    assert shell(text, folder) == expected


@pytest.mark.skipif(shutil.which("perl") is None, reason="the reader has no Perl")
def test_perl_finds_one_changed_byte(page: Element, folder: Path) -> None:
    """One changed digit anywhere makes the same line fail."""
    text, expected = command(page, "Perl")
    path = folder / ".assay" / "ledger" / "audit.jsonl"
    path.write_bytes(path.read_bytes().replace(b"0.3", b"0.4", 1))
    assert shell(text, folder) != expected


@pytest.mark.skipif(shutil.which("perl") is None, reason="the reader has no Perl")
def test_commands_hold_when_the_ledger_has_grown(page: Element, folder: Path) -> None:
    """Records after the head of the report do not disturb the check, nor do closed segments."""
    text, expected = command(page, "Perl")
    ledger = folder / ".assay" / "ledger"
    lines = (ledger / "audit.jsonl").read_bytes().splitlines(keepends=True)
    (ledger / "audit-000000000000.jsonl").write_bytes(b"".join(lines[:100]))
    (ledger / "audit.jsonl").write_bytes(b"".join(lines[100:]) + lines[-1])
    assert shell(text, folder) == expected


def test_coreutils_hash_the_record(page: Element, folder: Path) -> None:
    """sha256sum over the printed line gives the hash of the record."""
    text, expected = command(page, "coreutils")
    shutil.copyfile(folder / ".assay" / "ledger" / "audit.jsonl", folder / "records.jsonl")
    assert shell(text, folder) == expected


def test_duckdb_finds_the_root(
    page: Element, folder: Path, signed: Signed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The statement gives the third line of the checkpoint."""
    text, expected = command(page, "DuckDB")
    shutil.copyfile(folder / ".assay" / "ledger" / "audit.jsonl", folder / "records.jsonl")
    monkeypatch.chdir(folder)
    with duckdb.connect() as connection:
        assert connection.execute(text).fetchall() == [(expected,)]
    assert expected == signed.checkpoint_lines[2]


def test_verifier_accepts_the_ledger(page: Element, folder: Path) -> None:
    """The first command exists and passes on the ledger of the report."""
    text, _ = command(page, "Our verifier")
    words = text.split()
    assert words[0] == "python"
    done = subprocess.run(
        [sys.executable, *words[1:]],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()


def test_checkpoint_is_printed_line_by_line(page: Element, signed: Signed) -> None:
    """The three lines stand on the page as they were signed, and in its footer."""
    text = "\n".join(signed.checkpoint_lines)
    assert page.of_class("checkpoint")[0].text == text
    assert page.all("footer")[0].all("pre")[0].text == text


def test_page_without_checkpoint_says_so(snapshot: Path, signed: Signed) -> None:
    """Without a checkpoint there is no root to compare and no verdict on it."""
    content = render(
        snapshot,
        run_id=None,
        checkpoint_lines=(),
        key_id=signed.key_id,
        origin=signed.origin,
        verification={},
    )
    page = outline_of(content.decode())
    assert "No checkpoint was signed" in page.by_id("check").text
    assert not [title for title in commands(page) if "DuckDB" in title]


def test_no_path_of_this_machine_is_printed(snapshot: Path) -> None:
    """The page is the same wherever it is made."""
    html = page_of(snapshot)
    assert str(snapshot.parent) not in html
    assert "/tmp/" not in html  # noqa: S108 - not used, looked for

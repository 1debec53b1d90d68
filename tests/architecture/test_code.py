"""Budgets of size, and words that do not belong into the code."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("flows", "ledger", "pipeline", "replay", "warehouse")
FILES = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))
LONGEST_FILE = 600
LONGEST_FUNCTION = 80


def functions(path: Path) -> list[tuple[str, int]]:
    """Return name and length in lines, docstring left out, of every function in a file."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = 1 + (node.end_lineno or 0) - (body[0].lineno if body else node.lineno)
            found.append((f"{path.relative_to(ROOT)}:{node.name}", max(length, 1)))
    return found


def test_no_file_is_too_long() -> None:
    """A module is one noun; 600 lines hold it."""
    long = [str(p) for p in FILES if len(p.read_text(encoding="utf-8").splitlines()) > LONGEST_FILE]
    assert long == []


def test_functions_keep_their_budget() -> None:
    """Median at most 8 lines, 95th percentile at most 40, none above 80."""
    lengths = sorted(((n, name) for path in FILES for name, n in functions(path)), reverse=True)
    numbers = [n for n, _ in lengths]
    assert statistics.median(numbers) <= 8
    assert statistics.quantiles(numbers, n=20)[-1] <= 40
    assert [name for n, name in lengths if n > LONGEST_FUNCTION] == []


@pytest.mark.parametrize("word", ["TODO", "FIXME", "XXX"])
def test_nothing_is_left_undone(word: str) -> None:
    """No marker of unfinished work is in the packages."""
    assert [str(p) for p in FILES if re.search(rf"\b{word}\b", p.read_text(encoding="utf-8"))] == []


def test_broad_excepts_stand_at_the_boundary_only() -> None:
    """One records a failed batch, one shows an error on the command line, one closes a run."""
    found = {
        str(path.relative_to(ROOT))
        for path in FILES
        if re.search(r"except (Base)?Exception\b|except:", path.read_text(encoding="utf-8"))
    }
    assert found <= {"flows/batch.py", "flows/cli/invocation.py", "flows/session.py"}


def test_no_path_of_a_machine_is_in_the_project() -> None:
    """The project speaks of itself alone."""
    listed = subprocess.run(
        ["git", "ls-files", "*.py", "*.md", "*.sql", "*.toml", "*.yml", "*.json", "Makefile"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    word = "/" + "work" + "/"
    assert [
        n for n in listed if (ROOT / n).exists() and word in (ROOT / n).read_text("utf-8")
    ] == []

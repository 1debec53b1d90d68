"""The threat model claims nothing that no test shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "threat-model.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.split("|")[1:-1]]
    for line in PAGE.splitlines()
    if re.match(r"\| T\d+ \| ", line)
]
LINK = re.compile(r"\[([-\w]+)\]\((\.\./tests/[^)]+)\)")


def test_every_threat_has_its_row() -> None:
    """Twenty-eight, in order, each with an attack, what catches it, and what shows it."""
    assert [row[0] for row in ROWS] == [f"T{number}" for number in range(1, 29)]
    assert {len(row) for row in ROWS} == {5}
    assert all(len(row[1]) > 10 and len(row[2]) > 10 for row in ROWS)


def test_every_row_of_an_attack_is_shown_by_something() -> None:
    """Also those on a bundle."""
    table = PAGE.partition("## Attacks\n")[2].partition("## What remains")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ") and "shown by" not in line]
    assert len(rows) > 30
    assert [row for row in rows if not LINK.search(row)] == []


@pytest.mark.parametrize(("name", "path"), sorted(set(LINK.findall(PAGE))))
def test_what_is_named_exists(name: str, path: str) -> None:
    """A vector by its file, a test by its definition."""
    target = DOCS / path
    if target.suffix == ".json":
        assert target.stem == name
        assert target.is_file()
    else:
        assert f"def {name}(" in target.read_text(encoding="utf-8")

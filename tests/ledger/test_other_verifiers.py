"""Perl and SQL, as the format specification prints them, agree with the package."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ledger import verify
from tests.ledger.test_vectors import NAMES, read, unpack

SPECIFICATION = Path(__file__).parents[2] / "docs" / "spec" / "ledger-format.md"
# Neither reads what is compressed or was moved away, and a file that is gone altogether leaves
# nothing to read for them.
UNREAD = {"segment-compressed", "segment-compressed-altered", "segment-compressed-broken"}
UNREAD |= {name for name in NAMES if name.startswith("segment-moved")}
UNREAD |= {"summary-root-moved", "segment-deleted", "segment-lost-in-the-middle", "cut-everything"}
UNREAD |= {"segment-unfinished", "cut-empty"}
LINES = [name for name in NAMES if name not in UNREAD]
# The exceptions that the specification lists: seq is compared with the place by SQL, and is a rule
# elsewhere; a lawful stub stops both.
SQL_SEES_MORE = {"rule-seq"}
LAWFUL = {"stub-allowed", "stub-other-seq"}


def is_altered(name: str, folder: Path) -> bool:
    """Return whether the package finds changed bytes in the files of records."""
    unpack(name, folder)
    found = verify(folder / "ledger", level="fast").findings
    in_lines = [each for each in found if each.where.startswith("audit")]
    return not name.startswith("summary") and bool(
        {each.kind for each in in_lines} & {"altered", "torn"}
    )


def block(language: str, index: int = 0) -> str:
    """Return a block of code of the specification."""
    text = SPECIFICATION.read_text(encoding="utf-8")
    return str(re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)[index])


@pytest.mark.skipif(shutil.which("perl") is None, reason="Perl is not installed")
@pytest.mark.parametrize("name", LINES)
def test_perl_agrees(name: str, tmp_path: Path) -> None:
    """Hash and link of every line, for every attack; a lawful stub stops it too."""
    altered = is_altered(name, tmp_path)
    done = subprocess.run(
        ["bash", "-c", block("sh")], cwd=tmp_path, capture_output=True, check=False
    )
    assert (done.returncode == 0) == (not altered and name not in LAWFUL), done.stderr


def run_sql(folder: Path) -> tuple[bool, str]:
    """Return whether lines and bytes hold, and the root, by the statements of the specification."""
    script = block("sql").replace("'ledger/", f"'{folder}/ledger/")
    macro, *statements = [each for each in script.split(";") if each.strip()]
    with duckdb.connect() as connection:
        connection.execute(macro)
        rows: list[Any] = connection.execute(statements[0]).fetchall()
        whole = connection.execute(statements[1]).fetchone()
        root = connection.execute(statements[2]).fetchone()
    return not rows and whole == (True,), str(root and root[0])


@pytest.mark.parametrize("name", LINES)
def test_sql_agrees(name: str, tmp_path: Path) -> None:
    """For every attack, and gives the same root."""
    altered = is_altered(name, tmp_path)
    try:
        holds, root = run_sql(tmp_path)
    except duckdb.Error:
        holds, root = False, ""
    assert holds == (not altered and name not in LAWFUL | SQL_SEES_MORE)
    if holds:
        report = verify(tmp_path / "ledger", level="fast")
        assert base64.b64decode(root).hex() == report.root


def run_erasures(folder: Path) -> tuple[list[int], list[Any]]:
    """Return the lines that do not give their own hash, and the erasures that are allowed."""
    script, erasures = (
        block("sql", index).replace("'ledger/", f"'{folder}/ledger/") for index in (0, 1)
    )
    macro, lines, *_ = script.split(";")
    with duckdb.connect() as connection:
        connection.execute(macro)
        bad = [int(row[0]) for row in connection.execute(lines).fetchall()]
        return bad, connection.execute(erasures).fetchall()


def test_sql_accounts_for_a_lawful_stub(tmp_path: Path) -> None:
    """The statement names each stub with the record and the ground that allow it."""
    unpack("stub-allowed", tmp_path)
    assert run_erasures(tmp_path) == ([5], [(5, 22, "erasure on request")])


@pytest.mark.parametrize(
    "name",
    [
        "stub-alone",
        "stub-of-another",
        "stub-without-digest",
        "stub-announced",
        "stub-edited",
        "stub-odd-redaction",
        "untouched",
    ],
)
def test_sql_lists_no_other_stub(name: str, tmp_path: Path) -> None:
    """Not named, named too early, or not the one that was named."""
    unpack(name, tmp_path)
    assert run_erasures(tmp_path)[1] == []


def test_a_resealed_chain_has_another_root_in_sql_too(tmp_path: Path) -> None:
    """SQL sees the rewrite when the root is compared with the checkpoint."""
    unpack("chain-edit", tmp_path)
    holds, root = run_sql(tmp_path)
    signed = json.loads((Path(__file__).parents[1] / "vectors/ledger/base.json").read_text())
    assert holds
    assert root not in str(signed)
    assert read("chain-edit")["want"]["kinds"] == ["rewritten"]

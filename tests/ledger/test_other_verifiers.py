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
# Changes of bytes, lines and chain in the records: what needs no key and no memory to be seen.
CHAIN = [
    name for name in NAMES if name.startswith(("bytes", "lines", "seal", "cut-nul", "untouched"))
]


def block(language: str, index: int = 0) -> str:
    """Return a block of code of the specification."""
    text = SPECIFICATION.read_text(encoding="utf-8")
    return str(re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)[index])


@pytest.mark.skipif(shutil.which("perl") is None, reason="Perl is not installed")
@pytest.mark.parametrize("name", CHAIN)
def test_perl_agrees(name: str, tmp_path: Path) -> None:
    """Hash and link of every line; two vectors of one verdict."""
    unpack(name, tmp_path)
    altered = {each.kind for each in verify(tmp_path / "ledger", level="fast").findings}
    done = subprocess.run(
        ["bash", "-c", block("sh")], cwd=tmp_path, capture_output=True, check=False
    )
    assert (done.returncode == 0) == (not altered & {"altered", "torn"}), done.stderr


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


@pytest.mark.parametrize("name", CHAIN)
def test_sql_agrees(name: str, tmp_path: Path) -> None:
    """And gives the same root."""
    unpack(name, tmp_path)
    report = verify(tmp_path / "ledger", level="fast")
    found = {each.kind for each in report.findings} & {"altered", "torn"}
    try:
        holds, root = run_sql(tmp_path)
    except duckdb.Error:
        holds, root = False, ""
    assert holds == (not found), report.to_text()
    if holds:
        assert base64.b64decode(root).hex() == report.root


def test_a_resealed_chain_has_another_root_in_sql_too(tmp_path: Path) -> None:
    """SQL sees the rewrite when the root is compared with the checkpoint."""
    unpack("chain-edit", tmp_path)
    holds, root = run_sql(tmp_path)
    signed = json.loads((Path(__file__).parents[1] / "vectors/ledger/base.json").read_text())
    assert holds
    assert root not in str(signed)
    assert read("chain-edit")["want"]["kinds"] == ["rewritten"]

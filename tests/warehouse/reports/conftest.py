"""A small snapshot with everything in it, changed copies of it, and its page."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest

from tests.warehouse.derivation import derive
from tests.warehouse.reports.outline import outline_of
from tests.warehouse.synthetic import Size, tell, write_workspace
from warehouse.reports import render
from warehouse.reports.evidence import bind

if TYPE_CHECKING:
    from tests.warehouse.reports.outline import Element

RUN = "20261120T040000Z-demo"
"""The closed backtest of the story."""

Change = Callable[..., Path]
"""Statements -> a copy of the snapshot on which they were run."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What a caller gives to `render` besides the snapshot."""

    checkpoint_lines: tuple[str, ...]
    key_id: str
    origin: str


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace of sixteen windows, eighty days; read it only."""
    return write_workspace(tmp_path_factory.mktemp("report"), tell(Size(windows=16)))


@pytest.fixture(scope="session")
def snapshot(workspace: Path) -> Path:
    """Return its marts; read them only."""
    return derive(workspace)


@pytest.fixture(scope="session")
def signed(snapshot: Path) -> Signed:
    """Return the newest checkpoint of the snapshot."""
    return signed_by(snapshot)


def signed_by(snapshot: Path) -> Signed:
    """Return the newest checkpoint that a snapshot holds."""
    with duckdb.connect(str(snapshot), read_only=True) as connection:
        found = connection.execute(
            "select note from raw.checkpoints order by size desc limit 1"
        ).fetchall()
    text, _, signature = found[0][0].partition("\n\n")
    key_id = base64.b64decode(signature.split()[-1])[:4].hex()
    lines = tuple(text.split("\n"))
    return Signed(lines, key_id, lines[0])


def page_of(snapshot: Path, run_id: str | None = None, **verification: str) -> str:
    """Return the page of a snapshot with what the verifier found."""
    signed = signed_by(snapshot)
    return render(
        snapshot,
        run_id=run_id,
        checkpoint_lines=signed.checkpoint_lines,
        key_id=signed.key_id,
        origin=signed.origin,
        verification=verification,
    ).decode()


@pytest.fixture(scope="session")
def html(snapshot: Path) -> str:
    """Return the page of the whole story."""
    return page_of(snapshot, chain="PASS: bytes and links", signature="PASS")


@pytest.fixture(scope="session")
def page(html: str) -> Element:
    """Return its tree."""
    return outline_of(html)


@pytest.fixture
def change(snapshot: Path, tmp_path: Path) -> Change:
    """Return a function that copies the snapshot and runs statements on the copy.

    `$run` in a statement is the run of the story; other parameters are given by name.
    """

    def changed(*statements: str, **params: str) -> Path:
        copy = tmp_path / f"changed-{len(list(tmp_path.iterdir()))}.duckdb"
        shutil.copyfile(snapshot, copy)
        with duckdb.connect(str(copy)) as connection:
            for statement in statements:
                connection.execute(bind(statement, run=RUN, **params))
        return copy

    return changed

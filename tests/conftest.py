"""Workspaces for tests: an empty one for each test, and one that was walked once for all."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

# Two runs of the tests draw the same examples; `--hypothesis-profile random` looks for new ones.
settings.register_profile("fixed", derandomize=True, database=None)
settings.register_profile("random", derandomize=False)
# For mutation testing, which runs every test hundreds of times.
settings.register_profile("brief", derandomize=True, database=None, max_examples=25)
settings.load_profile("fixed")

CELLS = [
    {"engine": "custom", "risk_profile": "min_variance"},
    {"engine": "custom", "risk_profile": "hrp"},
    {"engine": "skfolio", "risk_profile": "risk_parity"},
]

SMALL: dict[str, Any] = {
    "version": 1,
    "default_profile": "both",
    "profiles": {
        "stocks": {
            "data": {
                "source": {
                    "symbols": ["AAPL", "BAC", "CVX", "JNJ", "JPM", "KO", "PG", "XOM"],
                    "first_date": "2019-01-02",
                    "last_date": "2020-06-30",
                }
            },
            "optimization": {"infeasible_caps": "relax", "cells": CELLS},
        },
        "factors": {
            "data": {
                "source": {
                    "dataset": "factors",
                    "first_date": "2019-01-02",
                    "last_date": "2020-06-30",
                }
            },
            "optimization": {"infeasible_caps": "relax", "cells": CELLS[:1]},
        },
        "both": {
            "sleeves": [
                {"id": "stocks", "profile": "stocks"},
                {"id": "factors", "profile": "factors"},
            ],
            "meta": {
                "cell": {"risk_profile": "risk_parity"},
                "sleeve_cell": {"risk_profile": "hrp"},
                "train_days": 40,
            },
        },
    },
}
"""Two sleeves over eighteen months with the crash of 2020-03 in them: a walk of a few seconds."""


@dataclass(frozen=True)
class Called:
    """What a command left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """The `data` of a command that was called with `--json`."""
        return json.loads(self.out)["data"]


@dataclass(frozen=True)
class Workplace:
    """A folder with a workspace, and the command line in it."""

    folder: Path

    def assay(self, *arguments: str, env: Mapping[str, str] | None = None) -> Called:
        """Call `assay -C folder ...` in this process."""
        # The tests of the ledger run without the rest of the project.
        from typer.testing import CliRunner  # noqa: PLC0415

        from flows.cli import app  # noqa: PLC0415

        result = CliRunner().invoke(app, ["-C", str(self.folder), *arguments], env=env)
        return Called(result.exit_code, result.stdout, result.stderr)

    def write(self, name: str, manifest: object) -> str:
        """Write a JSON file beside the workspace and return its name."""
        (self.folder / name).write_text(json.dumps(manifest), encoding="utf-8")
        return name

    @property
    def root(self) -> Path:
        """The workspace."""
        return self.folder / ".assay"

    @property
    def lines(self) -> list[bytes]:
        """The lines of the ledger."""
        return (self.root / "ledger" / "audit.jsonl").read_bytes().splitlines(keepends=True)

    @property
    def records(self) -> list[Any]:
        """The records of the ledger, the fields that a line leaves out as empty text.

        What a killed writer left after the last whole line is no record.
        """
        empty = {"id": "", "step": "", "status": "", "run_id": ""}
        return [empty | json.loads(line) for line in self.lines if line.endswith(b"\n")]

    def results(self) -> dict[str, str]:
        """Return `step/ordinal` -> digest of the result, for every outcome that has one."""
        return {
            record["id"].split("/", 1)[1]: record["data"]["result_sha256"]
            for record in self.records
            if record["type"] == "outcome" and "result_sha256" in record["data"]
        }


def make_workplace(folder: Path) -> Workplace:
    """Make a workspace with the small manifest beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    place = Workplace(folder)
    assert place.assay("init").code == 0
    place.write("manifest.json", SMALL)
    return place


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    """Return a workspace in which nothing ran yet."""
    return make_workplace(tmp_path / "place")


@pytest.fixture(scope="session")
def walked_once(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """Return the workspace of one walk, shared by all tests: read it, never write to it."""
    place = make_workplace(tmp_path_factory.mktemp("walked") / "place")
    called = place.assay("run", "-m", "manifest.json", "-q")
    assert called.code == 0, called.err
    return place


@pytest.fixture
def walked(walked_once: Workplace, tmp_path: Path) -> Workplace:
    """Return a copy of the walked workspace that the test may change."""
    shutil.copytree(walked_once.folder, tmp_path / "copy")
    return Workplace(tmp_path / "copy")


@pytest.fixture
def alter() -> Callable[[Path, int, int], None]:
    """Return a function that replaces one byte of a file."""

    def change(path: Path, at: int, by: int) -> None:
        content = bytearray(path.read_bytes())
        content[at] ^= by
        path.write_bytes(bytes(content))

    return change

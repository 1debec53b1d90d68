"""The README, typed line by line: the demo, what comes after it, and one's own prices."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from pipeline.config import SourceParams
from pipeline.ingestion.source import open_source
from warehouse.build import rehash

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
DEMO_SECONDS = 240

pytestmark = [pytest.mark.walk, pytest.mark.slow]


def type_line(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run one line of the README in `folder`, as a shell would."""
    assay = f"{shlex.quote(sys.executable)} -c 'from flows.cli import main; main()'"
    command = line.partition("  #")[0].replace(".venv/bin/assay", assay)
    command = command.replace(
        "python3 -I replay", f"{shlex.quote(sys.executable)} -I {ROOT}/replay"
    )
    return subprocess.run(  # noqa: S602 - the README is ours
        command,
        shell=True,
        cwd=folder,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


def lines_with(word: str) -> list[str]:
    """Return the command lines of the README that hold `word`."""
    commands = [text for language, text in BLOCKS if language == "console"]
    lines = [line.removeprefix("$ ") for text in commands for line in text.splitlines()]
    return [line for line in lines if word in line]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which the demo was run."""
    folder = tmp_path_factory.mktemp("demo")
    started = time.monotonic()
    done = type_line(".venv/bin/assay demo --json", folder)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - started < DEMO_SECONDS
    (folder / "summary.json").write_text(done.stdout, encoding="utf-8")
    return folder


def test_demo_ends_with_verdicts_and_a_report(demo: Path) -> None:
    """Head, trust, exact replays, and a report that is there and stands alone."""
    summary = json.loads((demo / "summary.json").read_text(encoding="utf-8"))
    data = summary["data"]
    assert summary["ledger"]["count"] > 20_000
    assert data["trust"] == "signed"
    assert data["replay"] == {"exact": 200}
    page = Path(data["report"]).read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)=["']https?:""", page)


def test_weight_is_proven_and_checked_elsewhere(demo: Path) -> None:
    """The proof is made, checked by the single file, and the evidence exported."""
    for line in (*lines_with("weight.json"), *lines_with("evidence.zip")):
        done = type_line(line, demo)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "weight  AAPL" in type_line(lines_with("replay/standalone.py")[0], demo).stdout


def later(line: str) -> bool:
    """Tell whether a line stands for itself: no copy, nothing written that a second run refuses."""
    return not any(word in line for word in ("cp ", "--out", "standalone.py"))


@pytest.mark.parametrize("line", [x for x in lines_with("-C assay-demo") if later(x)])
def test_lines_after_the_demo_work(demo: Path, line: str) -> None:
    """Each line of the README exits with 0 and prints something."""
    done = type_line(line, demo)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_tampering_is_found_on_the_line_named(demo: Path) -> None:
    """The three lines of the README: exit code 3, and the record is named."""
    copy, edit, verify = lines_with("tampered")
    assert type_line(copy, demo).returncode == 0
    assert type_line(edit, demo).returncode == 0
    done = type_line(verify, demo)
    assert done.returncode == 3
    assert "record 4999" in done.stdout


def test_own_prices_run_with_the_manifest_shown(tmp_path: Path) -> None:
    """The manifest of the README, with a Parquet file beside it."""
    bars = open_source(SourceParams(dataset="factors"), tmp_path).read()
    frame = pd.DataFrame({"symbol": bars.symbol, "date": bars.date, "close": bars.fields["close"]})
    frame.to_parquet(tmp_path / "prices.parquet")
    (text,) = [text for language, text in BLOCKS if language == "json"]
    (tmp_path / "mine.json").write_text(text, encoding="utf-8")
    for line in (*lines_with("assay init"), *lines_with("--manifest")):
        done = type_line(line, tmp_path)
        assert done.returncode == 0, done.stderr


def test_deleted_warehouse_is_rebuilt_to_the_same_marts(demo: Path) -> None:
    """The content hashes of all marts are those that the ledger recorded."""
    assay = ".venv/bin/assay -C assay-demo"
    one = json.loads(type_line(f"{assay} build --json", demo).stdout)["data"]
    shutil.rmtree(demo / "assay-demo" / ".assay" / "warehouse")
    marts = {mart["name"]: mart["sha256"] for mart in one["marts"]}
    again = rehash(demo / "assay-demo" / ".assay", one["through_seq"])
    assert {mart.name: mart.sha256 for mart in again} == marts

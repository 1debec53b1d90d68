"""Every command of the page for people who do not trust us is run as it is printed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Workplace

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "guides" / "verify-without-us.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TOOLS = ("perl", "openssl", "sha256sum", "base64")

pytestmark = pytest.mark.walk


def steps() -> list[tuple[str, str]]:
    """Return each script with what it prints, which may stand in the block after it."""
    blocks = BLOCK.findall(PAGE)
    following = [*blocks[1:], ("", "")]
    return [
        (script, after if kind == "text" else "")
        for (language, script), (kind, after) in zip(blocks, following, strict=True)
        if language == "sh"
    ]


def matches(printed: str, expected: str) -> bool:
    """Return whether a text is as the page shows it, `...` standing for anything."""
    pattern = re.escape(expected).replace(r"\.\.\.", ".*?")
    return re.fullmatch(pattern, printed, re.DOTALL) is not None


def run(script: str, folder: Path) -> str:
    """Run a block of the page; skip it, naming the tool, where the machine has not got it."""
    for tool in TOOLS:
        if re.search(rf"\b{tool}\b", script) and shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-e", "-c", script],
        cwd=folder,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture
def received(walked: Workplace) -> Path:
    """Return a folder with a workspace, an exported bundle and a key that came another way."""
    (command,) = [script for language, script in BLOCK.findall(PAGE) if language == "console"]
    words = command.split()
    assert words[:3] == ["$", "assay", "export"]
    called = walked.assay(*words[2:])
    assert called.code == 0, called.err
    shutil.copy(walked.root / "keys" / "log.pub", walked.folder / "log.vkey")
    return walked.folder


def test_every_command_prints_what_the_page_shows(received: Path) -> None:
    """In the order of the page, each in a shell of its own."""
    assert len(steps()) == 12
    for script, expected in steps():
        printed = run(script, received)
        assert printed, script
        assert not expected or matches(printed, expected), f"{script}\n{printed}"


def test_the_line_by_hand_has_the_hash_it_states(received: Path) -> None:
    """The two lines of the first command by hand show the same digits."""
    run(steps()[0][0], received)
    (script,) = [script for script, _ in steps() if "tail -n 1 ledger/audit.jsonl" in script]
    computed, stated = run(script, received).splitlines()
    assert computed.split()[0] == stated


def test_the_page_of_the_bundle_shows_commands_that_run(received: Path) -> None:
    """The `README.md` inside speaks for itself: its commands are run too."""
    run(steps()[0][0], received)
    folder = received / "evidence"
    page = (folder / "README.md").read_text(encoding="utf-8")
    scripts = [script for language, script in BLOCK.findall(page) if language == "sh"]
    # A weight proof does not come with the bundle; `tests/replay` runs its verifier.
    scripts = [script for script in scripts if "weight.proof" not in script]
    assert len(scripts) == 5
    for script in scripts:
        printed = run(script, folder)
        assert printed
        assert "FAIL" not in printed
    newest = (folder / "ledger" / "checkpoint").read_text(encoding="utf-8").partition("\n\n")[0]
    assert newest in page


def test_the_pattern_of_expected_output_can_fail() -> None:
    """Otherwise the first test would prove nothing."""
    assert matches("PASS 5 records\n", "PASS ... records\n")
    assert not matches("FAIL 5 records\n", "PASS ... records\n")
    assert not matches("PASS 5 records\nmore\n", "PASS ... records\n")

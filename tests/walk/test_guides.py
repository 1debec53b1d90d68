"""The commands of the auditor's guide that need no code of ours give what it says."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Workplace

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "guides" / "auditor.md").read_text(encoding="utf-8")
SCRIPTS = re.findall(r"^```sh\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.walk


def run(script: str, place: Workplace) -> subprocess.CompletedProcess[str]:
    """Run a script of the guide in the folder of the workspace."""
    return subprocess.run(
        ["sh", "-c", script], cwd=place.folder, capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(shutil.which("perl") is None, reason="Perl is not installed")
def test_perl_finds_what_verify_finds(walked: Workplace) -> None:
    """The head it prints is ours, and it stops at the record that was changed."""
    head = walked.records[-1]["hash"]
    assert run(SCRIPTS[0], walked).stdout == f"{len(walked.lines)} records, head {head}\n"
    path = walked.root / "ledger" / "audit.jsonl"
    lines = walked.lines
    lines[40] = lines[40].replace(b'"v":1', b'"v":2')
    path.write_bytes(b"".join(lines))
    done = run(SCRIPTS[0], walked)
    assert done.returncode != 0
    assert "hash 41" in done.stderr


def test_coreutils_recompute_a_record(walked_once: Workplace) -> None:
    """`sha256sum` gives the hash that the line states."""
    stated = walked_once.records[0]["hash"]
    assert run(SCRIPTS[1], walked_once).stdout.split() == [stated, "-"]


def test_blobs_are_named_by_their_digest(walked_once: Workplace) -> None:
    """Every file of the blob store has the digest of its path."""
    blobs = [p for p in (walked_once.root / "blobs" / "sha256").rglob("*") if p.is_file()]
    assert len(blobs) > 4
    for blob in blobs:
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.parent.name + blob.name

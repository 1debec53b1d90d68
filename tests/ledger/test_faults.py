"""Faults of the disk and sudden death, put in by strace at one system call after another.

After each fault the ledger is opened again, and nothing that was acknowledged may be missing.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ledger import Draft, Log, read_records, verify
from tests.ledger.conftest import Clock
from tests.ledger.test_log import WRITER

if TYPE_CHECKING:
    from tests.ledger.conftest import MakeLog

REPOSITORY = Path(__file__).parents[2]
FAULTS = {"EIO": "error=EIO", "ENOSPC": "error=ENOSPC", "KILL": "signal=SIGKILL"}
# System call, the file that it must touch if only one is meant, and which call is struck first.
POINTS = [
    ("write", "audit.jsonl", "1"),
    ("write", "audit.jsonl", "3"),
    ("fdatasync", "audit.jsonl", "1"),
    ("fdatasync", "audit.jsonl", "2"),
    ("rename", "audit.jsonl", "1"),
    ("linkat,link", "audit.jsonl", "1"),
    *(("fsync", "", str(number)) for number in range(1, 9)),
    *(("rename", "", str(number)) for number in range(1, 5)),
    ("flock", "lock", "2"),
]


def works() -> bool:
    """Return whether strace is there and may trace."""
    if shutil.which("strace") is None:
        return False
    command = ["strace", "-f", "-o", "/dev/null", "-e", "trace=none", "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not works(), reason="strace is not installed or may not trace")
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("point", POINTS, ids=" ".join)
def test_nothing_acknowledged_is_lost(
    make_log: MakeLog, root: Path, point: tuple[str, str, str], fault: str
) -> None:
    """Whatever fails, wherever: the ledger opens, verifies and goes on."""
    call, target, when = point
    make_log(4).close()
    done = subprocess.run(
        [
            "strace",
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            f"trace={call}",
            *(("-P", str(root / target)) if target else ()),
            "-e",
            f"inject={call}:{FAULTS[fault]}:when={when}+",
            sys.executable,
            "-c",
            WRITER,
            str(root),
            "run-a",
            "6",
        ],
        cwd=REPOSITORY,
        capture_output=True,
        check=False,
    )
    acknowledged = [int(line) for line in done.stdout.split()[1:]]
    assert len(acknowledged) < 6, "the fault did not strike"
    assert done.returncode == -9 or b"StorageError" in done.stderr, done.stderr
    with Log.open(root, clock=Clock()) as log:
        again = [log.append(_decision(number))[1].seq for number in range(6)]
    report = verify(root)
    assert report.verdict == "ok", report.to_text()
    assert again[: len(acknowledged)] == acknowledged
    outcomes = [record.id for record in read_records(root) if record.type == "outcome"]
    assert outcomes == [f"run-a/select/{number}/1" for number in range(6)]


def _decision(number: int) -> list[Draft]:
    """Return the drafts that the writer appends."""
    key = f"run-a/select/{number}/1"
    intent = Draft(type="intent", run_id="run-a", step="select", id=key)
    return [intent, replace(intent, type="outcome")]

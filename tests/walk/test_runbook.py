"""The runbook shows what is really seen: every situation on it is made, and its output compared."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ledger import durable
from ledger.lock import Lock
from tests.conftest import make_workplace

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Workplace

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "runbook.md"
HASH = re.compile(r"[0-9a-f]{64}")
BASE64 = re.compile(r"[A-Za-z0-9+/]{43}=")


def shown(place: Workplace, *arguments: str) -> str:
    """Return a command and what it prints, as the page shows it."""
    called = place.assay(*arguments)
    said = (called.out + called.err).strip()
    said = BASE64.sub("...", HASH.sub("...", said)).replace(str(place.folder), "/srv/funds")
    said = re.sub(r"byte \d+", "byte ...", said)
    code = f"\n[exit {called.code}]" if called.code else ""
    return f"$ assay {' '.join(arguments)}\n{said}{code}"


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    """Return a workspace with three heartbeats: four records, each under a checkpoint."""
    made = make_workplace(tmp_path / "funds")
    for _ in range(3):
        assert made.assay("checkpoint", "--heartbeat", "--once").code == 0
    return made


def ledger_of(place: Workplace) -> Path:
    """Return the active segment."""
    return place.root / "ledger" / "audit.jsonl"


def torn(place: Workplace, _: pytest.MonkeyPatch) -> list[str]:
    """A power failure in the middle of an append."""
    with ledger_of(place).open("ab") as file:
        file.write(b'{"actor":"op')
    before = shown(place, "verify")
    assert place.assay("checkpoint").code == 0
    return [before, shown(place, "verify")]


def altered(place: Workplace, _: pytest.MonkeyPatch) -> list[str]:
    """One byte of a record is another."""
    data = ledger_of(place).read_bytes()
    ledger_of(place).write_bytes(data.replace(b'"every_seconds":0', b'"every_seconds":9', 1))
    return [shown(place, "verify"), shown(place, "checkpoint")]


def rolled_back(place: Workplace, _: pytest.MonkeyPatch) -> list[str]:
    """Everything of the last two beats is gone, checkpoints too; the auditor remembers."""
    assert place.assay("verify", "--last-seen", "last-seen").code == 0
    ledger_of(place).write_bytes(b"".join(place.lines[:2]))
    drop_checkpoints(place, 2)
    return [shown(place, "verify", "--last-seen", "last-seen"), shown(place, "checkpoint")]


def drop_checkpoints(place: Workplace, size: int) -> None:
    """Take away the checkpoints above a size."""
    folder = place.root / "ledger"
    for path in (folder / "checkpoints").iterdir():
        if int(path.name) > size:
            path.unlink()
    (folder / "checkpoint").write_bytes((folder / "checkpoints" / f"{size:012d}").read_bytes())


def forked(place: Workplace, _: pytest.MonkeyPatch) -> list[str]:
    """Another history under the same key, as long as the one that was seen."""
    assert place.assay("verify", "--last-seen", "last-seen").code == 0
    ledger_of(place).write_bytes(b"".join(place.lines[:2]))
    drop_checkpoints(place, 2)
    (place.root / "keys" / "log.key.signed").unlink()
    for _beat in range(3):
        assert place.assay("checkpoint", "--heartbeat", "--once").code == 0
    return [shown(place, "verify"), shown(place, "verify", "--last-seen", "last-seen")]


def truncated(place: Workplace, _: pytest.MonkeyPatch) -> list[str]:
    """Whole lines are gone from the end; the checkpoints are still there."""
    ledger_of(place).write_bytes(b"".join(place.lines[:2]))
    return [shown(place, "verify")]


def lost_checkpoint(place: Workplace, _: pytest.MonkeyPatch) -> list[str]:
    """The newest checkpoint and all kept ones were deleted."""
    shutil.rmtree(place.root / "ledger" / "checkpoints")
    (place.root / "ledger" / "checkpoint").unlink()
    return [
        shown(place, "verify"),
        f"$ python -m ledger checkpoint .assay/ledger --sign .assay/keys/log.key\n{sign(place)}",
        shown(place, "verify"),
    ]


def sign(place: Workplace) -> str:
    """Sign with the ledger's own command, which needs no ledger that verifies."""
    command = [sys.executable, "-m", "ledger", "checkpoint", str(place.root / "ledger"), "--sign"]
    done = subprocess.run(
        [*command, str(place.root / "keys" / "log.key")], capture_output=True, text=True, check=True
    )
    return BASE64.sub("...", "\n".join(done.stdout.splitlines()[:3]))


def lost_key(place: Workplace, _: pytest.MonkeyPatch) -> list[str]:
    """The signing key is gone."""
    (place.root / "keys" / "log.key").unlink()
    return [shown(place, "checkpoint"), shown(place, "verify")]


def lost_anchor(place: Workplace, _: pytest.MonkeyPatch) -> list[str]:
    """The copy of a tag beside the ledger was deleted; the repository still has it."""
    repository = place.folder / "anchors"
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    for name, value in (("user.name", "op"), ("user.email", "op@example.org")):
        subprocess.run(["git", "-C", str(repository), "config", name, value], check=True)
    assert place.assay("anchor", "git", "anchors").code == 0
    (place.root / "ledger" / "anchors" / "000000000004.git").unlink()
    return [
        shown(place, "verify", "--anchor-git", "anchors"),
        shown(place, "anchor", "git", "anchors"),
        shown(place, "verify", "--anchor-git", "anchors"),
    ]


def lock_held(place: Workplace, patch: pytest.MonkeyPatch) -> list[str]:
    """Another process appends for longer than this one waits."""
    patch.setattr("flows.session.LOCK_WAIT_SECONDS", 0.0)
    lock = Lock(place.root / "ledger" / "lock")
    try:
        with lock.held(wait_seconds=0):
            text = shown(place, "checkpoint")
    finally:
        lock.close()
    return [re.sub(r"process \d+ on \S+", "process 4711 on desk", text)]


def disk_full(place: Workplace, patch: pytest.MonkeyPatch) -> list[str]:
    """No space is left when the line is written."""
    real = os.write

    def full(descriptor: int, data: bytes) -> int:
        if b'"step":"heartbeat"' in data:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data)

    with patch.context() as inner:
        inner.setattr("ledger.durable.os.write", full)
        text = shown(place, "checkpoint", "--heartbeat", "--once")
    return [text, shown(place, "verify")]


def broken_disk(place: Workplace, patch: pytest.MonkeyPatch) -> list[str]:
    """The disk reports an error when it is told to keep the line."""

    def fail(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with patch.context() as inner:
        inner.setattr(durable, "_datasync", fail)
        text = shown(place, "checkpoint", "--heartbeat", "--once")
    return [text]


SITUATIONS = [
    torn,
    altered,
    rolled_back,
    forked,
    truncated,
    lost_checkpoint,
    lost_key,
    lost_anchor,
    lock_held,
    disk_full,
    broken_disk,
]


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda each: each.__name__)
def test_the_page_shows_what_is_seen(
    place: Workplace,
    monkeypatch: pytest.MonkeyPatch,
    situation: Callable[[Workplace, pytest.MonkeyPatch], list[str]],
) -> None:
    """Each command of the page prints what the page says, hashes and the folder aside."""
    page = PAGE.read_text(encoding="utf-8")
    for text in situation(place, monkeypatch):
        assert text in page

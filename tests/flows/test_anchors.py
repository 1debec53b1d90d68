"""Checkpoints of a workspace reach places that its operator does not control."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from flows.commands.service import Pulse
from flows.output import Output
from flows.settings import Workspace
from ledger import LockedError
from tests.ledger.authority import Authority, make_authority

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Workplace


@pytest.fixture
def repository(workplace: Workplace) -> Path:
    """Return a repository beside the workspace."""
    path = workplace.folder / "anchors"
    subprocess.run(["git", "init", "-q", str(path)], check=True)
    for name, value in (("user.name", "op"), ("user.email", "op@example.org")):
        subprocess.run(["git", "-C", str(path), "config", name, value], check=True)
    return path


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_tag_anchors_the_workspace(workplace: Workplace, repository: Path) -> None:
    """Signed first if anything came since; again without news it is the same anchor."""
    assert workplace.assay("checkpoint", "--heartbeat", "--once").code == 0
    first = workplace.assay("anchor", "git", "anchors", "--json")
    assert (first.code, first.data["size"]) == (0, 2)
    assert workplace.assay("anchor", "git", "anchors", "--json").data["seq"] == first.data["seq"]
    verified = workplace.assay("verify", "--anchor-git", repository.name, "--json")
    assert verified.data["trust"] == "anchored"
    assert workplace.assay("checkpoint", "--heartbeat", "--once").code == 0
    assert workplace.assay("anchor", "git", "anchors", "--json").data["size"] == 4


def test_a_time_stamp_anchors_the_workspace(workplace: Workplace) -> None:
    """Asked for over HTTP, checked with the certificate that the auditor brings."""
    pytest.importorskip("rfc3161_client", reason="the extra tsa is not installed")
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = workplace.folder / "tsa"
    make_authority(folder)
    with Authority(folder) as authority:
        called = workplace.assay("anchor", "tsa", authority.url, "--ca", "tsa/ca.pem")
        assert called.code == 0, called.err
        authority.mode = "500"
        assert workplace.assay("checkpoint", "--heartbeat", "--once").code == 0
        refused = workplace.assay("anchor", "tsa", authority.url, "--ca", "tsa/ca.pem")
    assert (refused.code, "E0153" in refused.err) == (75, True)
    verified = workplace.assay("verify", "--anchor-tsa", "tsa/ca.pem", "--json")
    assert verified.data["trust"] == "anchored"


def test_heartbeats_need_a_cadence(workplace: Workplace) -> None:
    """Nothing is recorded when it is wrong."""
    assert workplace.assay("checkpoint", "--heartbeat", "--every", "0").code == 2
    assert len(workplace.lines) == 1
    called = workplace.assay("checkpoint", "--heartbeat", "--once", "--json")
    assert called.data == {"beats": 1, "size": 2}


def test_a_service_keeps_the_heartbeat(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """When it is due and not before; a ledger that is locked is a missed beat, and is said."""
    now = 100.0
    monkeypatch.setattr("flows.commands.service.time.monotonic", lambda: now)
    output = Output("flow")
    pulse = Pulse(Workspace(workplace.root), 60, "op@desk", output)
    for later, records in ((0, 2), (59, 2), (1, 3)):
        now += later
        pulse.look()
        assert len(workplace.lines) == records
    Pulse(Workspace(workplace.root), None, "op@desk", output).look()
    now += 60

    def locked(*_: object) -> None:
        raise LockedError(what="held", where="w", why="y", fix="f")

    monkeypatch.setattr("flows.commands.service.beat_once", locked)
    pulse.look()
    assert len(workplace.lines) == 3
    assert "no heartbeat this time: held" in capsys.readouterr().err

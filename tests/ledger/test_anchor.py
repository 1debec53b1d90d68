"""What lies outside the ledger shows what was done to it inside."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from ledger import Log, SigningKey, read_checkpoint, read_records, sha256, verify
from ledger.anchor import anchor_in_git
from ledger.cli import main
from ledger.gittag import AnchorError, read_tag, read_tags, tag_checkpoint
from ledger.tree import DiskTree
from tests.ledger.conftest import ORIGIN, fill, note

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ledger.conftest import Clock, MakeLog

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(repository: Path, *arguments: str) -> str:
    """Run git and return what it prints."""
    command = ["git", "-C", str(repository), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository without a commit."""
    path = tmp_path / "repository"
    subprocess.run(["git", "init", "-q", str(path)], check=True)
    git(path, "config", "user.name", "operator")
    git(path, "config", "user.email", "operator@example.org")
    return path


@pytest.fixture
def clone(tmp_path: Path, log: Log, key: SigningKey, repository: Path) -> Path:
    """Return an auditor's clone with the tag of a checkpoint of three records."""
    fill(log, 1, "run-a")
    log.checkpoint(key)
    anchor_in_git(log, repository)
    path = tmp_path / "clone"
    subprocess.run(
        ["git", "clone", "-q", str(repository), str(path)], check=True, capture_output=True
    )
    return path


def test_a_tag_holds_the_three_lines_and_the_note(log: Log, repository: Path) -> None:
    """Readable with git alone; the record names the file, and the file is the tag."""
    receipt = anchor_in_git(log, repository, actor="operator")
    text = git(repository, "tag", "-l", "--format=%(contents)", "ledger/1")
    note_text = (log.path / "checkpoint").read_text()
    assert note_text.startswith(text.strip())
    assert git(repository, "show", "ledger/1^{blob}") == note_text
    record = next(log.read(receipt.seq))
    assert (record.type, record.actor, record.data["kind"]) == ("anchor", "operator", "git")
    token = (log.path / "anchors" / "000000000001.git").read_bytes()
    assert token.decode() == git(repository, "cat-file", "tag", "ledger/1")
    assert record.data["file"] == "anchors/000000000001.git"


def test_anchoring_again_is_idempotent(log: Log, repository: Path) -> None:
    """A crash before the record leaves a tag that the next call records."""
    first = anchor_in_git(log, repository)
    assert anchor_in_git(log, repository) == first
    assert git(repository, "tag", "--list") == "ledger/1\n"


def test_a_ledger_that_agrees_is_anchored(log: Log, clone: Path, key: SigningKey) -> None:
    """The trust that a clone of one's own gives, and how far it reaches."""
    fill(log, 2, "run-b")
    log.checkpoint(key)
    report = verify(log.path, anchor_git=clone)
    assert (report.trust, [each.to_text() for each in report.anchors]) == (
        "anchored",
        ["git 3 records"],
    )
    assert "anchors     git" in report.to_text()
    payload = report.to_payload()
    assert json.loads(json.dumps(payload))["anchors"][0]["kind"] == "git"


@pytest.mark.parametrize(("records", "kind"), [(0, "rolled_back"), (3, "forked")])
def test_another_history_is_found(  # noqa: PLR0917 - fixtures
    log: Log, clone: Path, make_log: MakeLog, key: SigningKey, records: int, kind: str
) -> None:
    """The holder of the key begins anew: shorter, or as long with other records."""
    log.close()
    shutil.rmtree(log.path)
    again = make_log()
    fill(again, records, "run-x")
    again.checkpoint(key)
    assert verify(again.path).verdict == "ok"
    report = verify(again.path, anchor_git=clone)
    assert (report.verdict, report.trust) == (kind, "none")
    finding = next(each for each in report.findings if each.kind == kind)
    (tag,) = read_tags(clone, ORIGIN)
    assert finding.where == f"{clone}, tag ledger/{tag.size}"
    assert "published" in finding.message
    said = (finding.seq, finding.offset, finding.expected, finding.found)
    if kind == "forked":
        root = DiskTree(again.path, tag.size).root_of(0, tag.size).hex()
        assert said == (None, None, f"root {tag.root}", f"root {root}")
    else:
        assert said == (1, None, f"{tag.size} records", "1 records")


@pytest.mark.parametrize(("spoil", "kind"), [(False, "missing"), (True, "altered")])
def test_a_lost_or_altered_copy_is_found(log: Log, clone: Path, *, spoil: bool, kind: str) -> None:
    """The record states the SHA-256 of the file."""
    path = next((log.path / "anchors").iterdir())
    stated = sha256(path.read_bytes())
    path.chmod(0o644)
    if spoil:
        path.write_bytes(b"x")
    else:
        path.unlink()
    assert verify(log.path).verdict == "ok"
    (finding,) = verify(log.path, anchor_git=clone).findings
    said = (finding.kind, finding.seq, finding.offset, finding.expected, finding.found)
    texts = (stated, sha256(b"x")) if spoil else ("", "")
    assert said == (kind, 3, None, *texts)
    assert finding.where == f"anchors/{path.name}"
    assert "recorded" in finding.message


def test_a_clone_without_tags_is_no_anchor(log: Log, repository: Path, tmp_path: Path) -> None:
    """Nor are tags of another ledger or other texts, nor what is no repository."""
    blob = git(repository, "hash-object", "-w", str(log.path / "checkpoint")).strip()
    git(repository, "tag", "-a", "-m", "x", "ledger/7", blob)
    git(repository, "tag", "ledger/8", blob)
    git(repository, "tag", "-a", "-m", f"other\n1\n{'A' * 43}=", "ledger/9", blob)
    with pytest.raises(AnchorError, match="no tag"):
        verify(log.path, anchor_git=repository)
    with pytest.raises(AnchorError, match="failed"):
        read_tags(tmp_path, ORIGIN)


def test_a_tag_is_never_replaced(log: Log, repository: Path) -> None:
    """Another ledger of the same size in the same repository."""
    blob = git(repository, "hash-object", "-w", str(log.path / "checkpoint")).strip()
    git(repository, "tag", "-a", "-m", f"other\n1\n{'A' * 43}=", "ledger/1", blob)
    with pytest.raises(AnchorError, match="another checkpoint"):
        anchor_in_git(log, repository)
    assert log.head().count == 1


def test_a_tag_is_made_whatever_the_settings_of_git(
    tmp_path: Path, repository: Path, clock: Clock
) -> None:
    """Where tags are signed and comments are cut out: by us, and with all three lines."""
    git(repository, "config", "tag.gpgSign", "true")
    git(repository, "config", "gpg.program", "false")
    key = SigningKey("#log", bytes(32))
    with Log.create(tmp_path / "l", origin="#log", key=key, clock=clock) as log:
        anchor_in_git(log, repository)
    assert [each.origin for each in read_tags(repository, "#log")] == ["#log"]


def test_the_tags_of_a_ledger_are_read_in_order(
    log: Log, repository: Path, key: SigningKey
) -> None:
    """By size, not by name: 2 comes before 11."""
    for records in (1, 9):
        log.append([note(log.head().count) for _ in range(records)])
        log.checkpoint(key)
        tag_checkpoint(repository, read_checkpoint((log.path / "checkpoint").read_bytes()))
    assert [each.size for each in read_tags(repository, ORIGIN)] == [2, 11]
    report = verify(log.path, anchor_git=repository)
    assert (report.count, [each.size for each in report.anchors]) == (11, [2, 11])


def test_a_tag_is_pushed(log: Log, repository: Path, tmp_path: Path) -> None:
    """To the remote that is named; one that does not exist is an error, and nothing is recorded."""
    bare = tmp_path / "bare"
    subprocess.run(["git", "init", "-q", "--bare", str(bare)], check=True)
    with pytest.raises(AnchorError, match="push"):
        anchor_in_git(log, repository, remote="nowhere")
    assert log.head().count == 1
    anchor_in_git(log, repository, remote=str(bare))
    assert git(bare, "tag", "--list") == "ledger/1\n"


def test_git_that_does_not_run_is_said(
    log: Log, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Absent, or hanging."""
    monkeypatch.setattr("ledger.gittag.SECONDS", 1e-6)
    with pytest.raises(AnchorError, match="timed out"):
        anchor_in_git(log, repository)
    monkeypatch.undo()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(AnchorError, match="No such file"):
        anchor_in_git(log, repository)


def test_a_ledger_without_checkpoint_has_nothing_to_anchor(
    make_log: MakeLog, key: SigningKey, repository: Path
) -> None:
    """Sign first."""
    log = make_log(key=key.verify_key)
    with pytest.raises(AnchorError, match="no checkpoint"):
        anchor_in_git(log, repository)


def test_the_text_of_a_signed_tag_is_read() -> None:
    """What follows the three lines, such as a signature of git, is passed over."""
    text = f"object 0\ntype blob\n\n{ORIGIN}\n3\n{'A' * 43}=\n-----BEGIN PGP SIGNATURE-----\n"
    found = read_tag(text.encode())
    assert found is not None
    assert found.size == 3
    assert read_tag(b"object 0\n\n\xff\n") is None


def test_an_archived_segment_is_not_judged(
    make_log: MakeLog, key: SigningKey, repository: Path
) -> None:
    """A tag inside a segment that was moved away neither agrees nor disagrees."""
    log = make_log(4)
    fill(log, 2)
    log.checkpoint(key)
    anchor_in_git(log, repository)
    fill(log, 3, "run-b")
    log.checkpoint(key)
    log.close()
    (log.path / "audit-000000000004.jsonl").unlink()
    report = verify(log.path, anchor_git=repository)
    assert (report.verdict, report.anchors, report.trust) == ("ok", (), "self-consistent")


def test_the_command_anchors_and_verifies(
    log: Log, repository: Path, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    """`anchor git`, then `verify --anchor-git`."""
    log.append([note(1)])
    log.close()
    assert main(["anchor", "git", str(log.path), str(repository)], clock=clock) == 0
    assert main(["verify", str(log.path), "--anchor-git", str(repository)], clock=clock) == 0
    out = capsys.readouterr().out
    assert "anchored under record 2" in out
    assert "trust       anchored" in out
    assert [each.type for each in read_records(log.path)] == ["genesis", "note", "anchor"]


def test_a_lost_genesis_leaves_no_anchor(log: Log, clone: Path) -> None:
    """Without a name no tag is of this ledger; the genesis record is the finding."""
    path = log.path / "audit.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"origin"', b'"orison"', 1))
    report = verify(log.path, anchor_git=clone)
    assert (report.verdict, report.anchors) == ("altered", ())

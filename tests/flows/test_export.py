"""Evidence leaves the workspace whole, and the ledger says who took it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flows.commands import export
from ledger import BlobStore, verify
from ledger.unpack import verify_bundle

if TYPE_CHECKING:
    from tests.conftest import Workplace

REPOSITORY = Path(__file__).parents[2]

KILLED = """
import os, sys
from pathlib import Path
from flows.cli.invocation import run_app
from ledger import Log
import flows.cli
Log.append = lambda *_: os._exit(9)
run_app(["-C", sys.argv[1], "export"])
"""
"""An export whose process dies between the zip and the record."""


def test_a_fresh_workspace_can_be_exported(workplace: Workplace) -> None:
    """Its genesis record and the checkpoint over it are evidence already."""
    called = workplace.assay("export", "--json")
    assert called.code == 0, called.err
    assert called.data["size"] == 1
    path = workplace.folder / "evidence.zip"
    assert verify_bundle(path).ok
    assert workplace.assay("verify", "--bundle", "evidence.zip").code == 0


def test_an_export_is_recorded_and_signed_for(walked: Workplace) -> None:
    """Cut, root, digest of the file, blobs, name: as `docs/spec/records.md` says."""
    count = len(walked.lines)
    called = walked.assay("export", "--out", "mine.zip", "--blobs", "all", "--json")
    assert called.code == 0, called.err
    record = walked.records[-1]
    assert (record["type"], record["step"], record["seq"]) == ("note", "export", count)
    assert "@" in record["actor"]
    stored = len(list(BlobStore(walked.root / "blobs")))
    found = verify_bundle(walked.folder / "mine.zip")
    assert record["data"] == {
        "as_of": None,
        "size": count,
        "root": found.root,
        "sha256": called.data["sha256"],
        "bytes": (walked.folder / "mine.zip").stat().st_size,
        "choice": ["all"],
        "blobs": stored,
        "erased": 0,
        "out": "mine.zip",
    }
    report = verify(walked.root / "ledger")
    assert report.ok
    assert report.checkpoint
    assert report.checkpoint.size == count + 1
    done = subprocess.run(
        ["sha256sum", "mine.zip"], cwd=walked.folder, capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[0] == record["data"]["sha256"]


def test_the_bundle_carries_the_verifier_of_weight_proofs(workplace: Workplace) -> None:
    """Byte for byte, and both verifiers of bundles know its name."""
    assert workplace.assay("export", "--json").code == 0
    path, folder = workplace.folder / "evidence.zip", workplace.folder / "unpacked"
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    source = REPOSITORY / "replay" / "standalone.py"
    assert (folder / "verify-weight.py").read_bytes() == source.read_bytes()
    assert "verify-weight.py weight.proof" in (folder / "README.md").read_text(encoding="utf-8")
    assert verify_bundle(path).ok
    command = [sys.executable, "-I", "verify.py", "bundle", "."]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_taking_the_same_evidence_twice_is_recorded_twice(walked: Workplace) -> None:
    """And it is the same evidence, byte for byte."""
    day = walked.records[-1]["ts"][:10]
    first = walked.assay("export", "--as-of", day, "--out", "1.zip", "--json").data
    second = walked.assay("export", "--as-of", day, "--out", "2.zip", "--json").data
    assert second["size"] == first["size"] + 1
    assert [record["step"] for record in walked.records[-2:]] == ["export", "export"]


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (("--as-of", "2001-01-01"), 2, "E0145"),
        (("--as-of", "31.12.2026"), 2, "E0403"),
        (("--as-of", "20261231"), 2, "E0403"),
        (("--blobs", "run:nothing"), 2, "E0145"),
        (("--out", "manifest.json"), 2, "E0127"),
    ],
)
def test_wrong_use_leaves_neither_file_nor_record(
    walked: Workplace, arguments: tuple[str, ...], code: int, expected: str
) -> None:
    """The error has its code, and the ledger and the folder are as before."""
    before, files = walked.lines, sorted(walked.folder.iterdir())
    called = walked.assay("export", *arguments)
    assert (called.code, expected in called.err) == (code, True), called.err
    assert walked.lines == before
    assert sorted(walked.folder.iterdir()) == files


def test_an_altered_ledger_is_not_exported(walked: Workplace) -> None:
    """Exit code 3, no file, no record."""
    path = walked.root / "ledger" / "audit.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"seed":', b'"sEed":', 1))
    before = walked.lines
    assert walked.assay("export").code == 3
    assert not (walked.folder / "evidence.zip").exists()
    assert walked.lines == before


def test_a_kill_between_file_and_record_leaves_a_whole_file(workplace: Workplace) -> None:
    """A second export replaces it when asked to; there is never a record without its file."""
    before = workplace.lines
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(workplace.folder)],
        cwd=REPOSITORY,
        env={**os.environ},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 9, done.stderr
    assert workplace.lines == before
    assert verify_bundle(workplace.folder / "evidence.zip").ok
    assert workplace.assay("export").code == 2
    assert workplace.assay("export", "--force").code == 0
    assert workplace.records[-1]["step"] == "export"
    assert not [each for each in workplace.folder.iterdir() if each.name.startswith(".tmp-")]


def test_a_failed_write_leaves_no_record(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The note is written after the zip, never before it."""

    def fail(*_arguments: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ledger.bundle._fill", fail)
    before = workplace.lines
    called = workplace.assay("export")
    assert (called.code, "E0111" in called.err) == (70, True), called.err
    assert workplace.lines == before
    assert {each.name for each in workplace.folder.iterdir()} == {".assay", "manifest.json"}


def test_trust_is_what_the_verifier_brings(walked: Workplace) -> None:
    """Key and memory of the verifier count, for the workspace and for a bundle."""
    walked.assay("export", "--out", "old.zip")
    walked.assay("export", "--out", "new.zip")
    public = str(walked.root / "keys" / "log.pub")
    seen = ("--last-seen", "seen")
    new = walked.assay("verify", "--bundle", "new.zip", "--key", public, *seen, "--json")
    assert (new.code, new.data["trust"], new.data["bundle"]) == (0, "signed", "new.zip")
    old = walked.assay("verify", "--bundle", "old.zip", *seen, "--json")
    assert (old.code, old.data["verdict"]) == (3, "rolled_back")
    assert walked.assay("verify", *seen).code == 0
    (walked.folder / "policy").write_text(
        f"log {Path(public).read_text(encoding='utf-8').strip()}\nquorum none\n", encoding="utf-8"
    )
    for arguments in (("--policy", "policy"), ("--policy", "policy", "--bundle", "new.zip")):
        called = walked.assay("verify", *arguments, "--json")
        assert (called.code, called.data["trust"]) == (0, "signed"), called.err


def test_what_is_no_bundle_is_refused(workplace: Workplace) -> None:
    """Exit code 3 and the code of the error; a folder without workspace is enough to verify in."""
    (workplace.folder / "e.zip").write_bytes(b"not a zip")
    called = workplace.assay("verify", "--bundle", "e.zip")
    assert (called.code, "E0147" in called.err) == (3, True)


def test_a_bundle_is_not_verified_by_halves(workplace: Workplace) -> None:
    """An option that would mean less is refused, not left out."""
    called = workplace.assay("verify", "--bundle", "e.zip", "--fast")
    assert (called.code, "E0403" in called.err) == (2, True)


def test_dates_have_one_spelling() -> None:
    """None is the newest checkpoint."""
    export._check_date(None)
    export._check_date("2026-01-31")

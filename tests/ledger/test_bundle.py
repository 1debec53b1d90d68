"""Bundles are cut where they were asked to be, come out the same, and unpack without harm."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import (
    AlreadyThereError,
    BlobAlteredError,
    BlobMissingError,
    BlobStore,
    SigningKey,
    read_records,
    verify,
)
from ledger import cli as ledger_cli
from ledger.bundle import NothingToExportError, UnverifiedLedgerError, write_bundle
from ledger.redaction import erase_blob, erase_line
from ledger.unpack import MOST_FOLD, MalformedBundleError, unpack_bundle, verify_bundle
from tests.ledger.bundles import DAY, VERIFIERS, fill_days, missing_tool, pack, relist, unpack
from tests.ledger.conftest import note

if TYPE_CHECKING:
    from ledger import Log
    from tests.ledger.conftest import Clock, MakeLog

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def days(make_log: MakeLog, key: SigningKey, clock: Clock, tmp_path: Path) -> Log:
    """Return a ledger of four days, the first 2026-01-02, with a blob a day."""
    log = make_log(8)
    fill_days(log, key, clock, BlobStore(tmp_path / "blobs"))
    return log


def holds(folder: Path) -> dict[str, bool]:
    """Return what each verifier says, and the command line of the ledger about the folder."""
    found = {name: verifier(folder) for name, verifier in VERIFIERS.items() if can_run(name)}
    with contextlib.redirect_stdout(io.StringIO()):
        code = ledger_cli.main(
            ["verify", str(folder / "ledger")], clock=lambda: datetime(2026, 1, 1, tzinfo=UTC)
        )
    return {**found, "command line": code == 0}


def can_run(name: str) -> bool:
    """Return whether the tools of a verifier are here."""
    return name != "shell" or not missing_tool()


@pytest.mark.parametrize(
    ("as_of", "size"),
    [
        ("2026-01-02", 8),
        ("2026-01-03", 15),
        ("2026-01-04", 22),
        ("2026-01-05", 29),
        ("2027-01-01", 29),
        (None, 29),
    ],
)
def test_is_cut_at_the_last_checkpoint_of_the_day(
    days: Log, tmp_path: Path, as_of: str | None, size: int
) -> None:
    """And the cut ledger is one that everybody accepts; so is the prefix of the active segment."""
    bundle = write_bundle(days.path, tmp_path / "e.zip", as_of=as_of)
    assert bundle.checkpoint.size == size
    folder = unpack(tmp_path / "e.zip", tmp_path / "unpacked")
    lines = [
        line
        for path in sorted((folder / "ledger").glob("audit*"))
        for line in path.read_bytes().splitlines()
    ]
    assert len(lines) == size
    assert json.loads(lines[-1])["ts"] == bundle.until
    assert set(holds(folder).values()) == {True}, holds(folder)


def test_any_length_can_be_cut(
    make_log: MakeLog, key: SigningKey, clock: Clock, tmp_path: Path
) -> None:
    """Below, at and above the boundary of a segment; each cut is the ledger of that evening."""
    log = make_log(4)
    roots = {}
    for number in range(9):
        clock.shift(DAY)
        log.append([note(number)])
        roots[f"{clock.now:%Y-%m-%d}"] = log.checkpoint(key)
    for as_of, checkpoint in roots.items():
        path = tmp_path / f"{as_of}.zip"
        assert write_bundle(log.path, path, as_of=as_of).checkpoint == checkpoint
        folder = unpack(path, tmp_path / as_of)
        assert verify(folder / "ledger").root == checkpoint.root
        assert set(holds(folder).values()) == {True}, as_of


def test_no_checkpoint_is_old_enough(days: Log, tmp_path: Path) -> None:
    """The error says from when on there is evidence, and nothing is written."""
    with pytest.raises(NothingToExportError, match="the first covers 2026-01-02"):
        write_bundle(days.path, tmp_path / "e.zip", as_of="2026-01-01")
    assert not list(tmp_path.glob("*.zip"))
    assert not list(tmp_path.glob(".tmp-*"))


def test_same_arguments_give_the_same_bytes(days: Log, key: SigningKey, tmp_path: Path) -> None:
    """Also in another process with another hash seed, and after the ledger has grown."""
    options = {"as_of": "2026-01-04", "blobs": tmp_path / "blobs", "choice": ["all"]}
    first = write_bundle(days.path, tmp_path / "1.zip", **options)  # type: ignore[arg-type]
    days.append([note(1)])
    days.checkpoint(key)
    code = (
        "import sys; from pathlib import Path; from ledger.bundle import write_bundle\n"
        "root, out, blobs = map(Path, sys.argv[1:])\n"
        "write_bundle(root, out, as_of='2026-01-04', blobs=blobs, choice=['all'])"
    )
    arguments = [str(days.path), str(tmp_path / "2.zip"), str(tmp_path / "blobs")]
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=REPOSITORY, env=environment, check=True
    )
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()
    assert first.sha256 == write_bundle(days.path, tmp_path / "1.zip", force=True, **options).sha256  # type: ignore[arg-type]


def test_a_compressed_segment_is_stored_as_it_was(days: Log, tmp_path: Path) -> None:
    """Whether the holder compressed it makes no difference to the bundle."""
    import gzip  # noqa: PLC0415

    one = write_bundle(days.path, tmp_path / "1.zip")
    for path in days.path.glob("audit-*.jsonl"):
        path.with_suffix(".jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert write_bundle(days.path, tmp_path / "2.zip").sha256 == one.sha256


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ([], 0),
        (["all"], 3),
        (["run:run-1"], 1),
        (["decision:run-0/ingest/1", "run:run-2"], 2),
    ],
)
def test_blobs_are_those_asked_for(
    days: Log, tmp_path: Path, choice: list[str], expected: int
) -> None:
    """Of the records up to the cut, and no other."""
    options = {"blobs": tmp_path / "blobs", "choice": choice, "as_of": "2026-01-04"}
    bundle = write_bundle(days.path, tmp_path / "e.zip", **options)  # type: ignore[arg-type]
    folder = unpack(tmp_path / "e.zip", tmp_path / "unpacked")
    assert bundle.blobs == expected == len(list(BlobStore(folder / "blobs")))
    assert set(holds(folder).values()) == {True}


@pytest.mark.parametrize("choice", ["run:run-3", "decision:nothing", "everything"])
def test_a_choice_that_names_nothing_is_refused(days: Log, tmp_path: Path, choice: str) -> None:
    """A run after the cut, an unknown id, an unknown word."""
    with pytest.raises(NothingToExportError, match="no blobs for"):
        write_bundle(
            days.path, tmp_path / "e.zip", as_of="2026-01-04", blobs=tmp_path, choice=[choice]
        )


def test_blobs_need_a_folder(days: Log, tmp_path: Path) -> None:
    """Asked for without one, the export does not come without them."""
    with pytest.raises(NothingToExportError, match="no folder of blobs"):
        write_bundle(days.path, tmp_path / "e.zip", choice=["all"])


def test_a_blob_that_is_not_itself_stops_the_export(days: Log, tmp_path: Path) -> None:
    """And one that is not there; no file is left behind."""
    store = BlobStore(tmp_path / "blobs")
    path = store.path(next(iter(store)))
    path.chmod(0o644)
    path.write_bytes(b"other bytes")
    for error in (BlobAlteredError, BlobMissingError):
        with pytest.raises(error):
            write_bundle(days.path, tmp_path / "e.zip", blobs=store.root, choice=["all"])
        path.unlink(missing_ok=True)
    assert {each.name for each in tmp_path.iterdir()} == {"ledger", "blobs"}


def test_an_erased_blob_is_left_out_and_counted(days: Log, key: SigningKey, tmp_path: Path) -> None:
    """The bundle says how many of those that were asked for are gone."""
    store = BlobStore(tmp_path / "blobs")
    erase_blob(days, store, next(iter(store)), key, ground="asked for", by="officer@firm")
    bundle = write_bundle(days.path, tmp_path / "e.zip", blobs=store.root, choice=["all"])
    assert (bundle.blobs, bundle.erased) == (3, 1)
    folder = unpack(tmp_path / "e.zip", tmp_path / "unpacked")
    assert "1 were erased" in (folder / "README.md").read_text(encoding="utf-8")
    assert set(holds(folder).values()) == {True}


def test_a_cut_between_a_record_and_its_erasure_is_refused(
    days: Log, key: SigningKey, clock: Clock, tmp_path: Path
) -> None:
    """The error names the first day from which on the cut holds, and there it does."""
    erase_line(days, 4, key, ground="asked for", by="officer@firm")
    with pytest.raises(NothingToExportError, match="record 4 was erased after this cut") as caught:
        write_bundle(days.path, tmp_path / "e.zip", as_of="2026-01-04")
    day = caught.value.fix.split()[4]
    assert day == f"{clock.now:%Y-%m-%d}"
    write_bundle(days.path, tmp_path / "e.zip", as_of=day)
    assert set(holds(unpack(tmp_path / "e.zip", tmp_path / "unpacked")).values()) == {True}
    # A cut before the erased record has nothing to allow.
    assert write_bundle(days.path, tmp_path / "e0.zip", as_of=None).checkpoint.size > 4


def test_an_altered_ledger_is_not_exported(days: Log, tmp_path: Path) -> None:
    """Exit code 3, and no file."""
    path = days.path / "audit.jsonl"
    path.write_bytes(path.read_bytes().replace(b"day", b"DAY").replace(b"ingest", b"INGEST", 1))
    with pytest.raises(UnverifiedLedgerError) as caught:
        write_bundle(days.path, tmp_path / "e.zip")
    assert caught.value.exit_code == 3
    assert not (tmp_path / "e.zip").exists()


def test_a_torn_tail_is_above_every_cut(days: Log, tmp_path: Path) -> None:
    """A writer in the middle of an append does not stop an export."""
    with (days.path / "audit.jsonl").open("ab") as file:
        file.write(b'{"actor":"x')
    write_bundle(days.path, tmp_path / "e.zip")
    assert verify_bundle(tmp_path / "e.zip").ok


def test_a_ledger_that_changes_meanwhile_is_not_exported(
    days: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written is compared with what was signed once more."""
    monkeypatch.setattr("ledger.bundle.refuse_altered", lambda _root: None)
    path = days.path / "audit-000000000008.jsonl"
    data = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(data[:-4] + b'0"}\n' if data[-4:-3] != b"0" else data[:-4] + b'1"}\n')
    with pytest.raises(UnverifiedLedgerError, match="while it was exported"):
        write_bundle(days.path, tmp_path / "e.zip")
    assert {each.name for each in tmp_path.iterdir()} == {"ledger", "blobs"}


def test_a_file_is_not_replaced_unasked(days: Log, tmp_path: Path) -> None:
    """Also one that appears while the bundle is written."""
    (tmp_path / "e.zip").write_bytes(b"mine")
    with pytest.raises(AlreadyThereError):
        write_bundle(days.path, tmp_path / "e.zip")
    from ledger import bundle  # noqa: PLC0415

    with pytest.raises(AlreadyThereError):
        bundle._write(tmp_path / "e.zip", iter([]), force=False)
    assert (tmp_path / "e.zip").read_bytes() == b"mine"
    write_bundle(days.path, tmp_path / "e.zip", force=True)
    assert verify_bundle(tmp_path / "e.zip").ok
    assert not list(tmp_path.glob(".tmp-*"))


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize(
    ("call", "when", "is_old"),
    [("fsync", 1, True), ("rename,renameat,renameat2", 1, True), ("fsync", 2, False)],
)
def test_a_kill_leaves_the_old_file_or_the_new(
    days: Log, tmp_path: Path, call: str, when: int, *, is_old: bool
) -> None:
    """Never a part: killed before the bytes are durable, before they have the name, and after."""
    (tmp_path / "e.zip").write_bytes(b"old")
    code = (
        "import sys; from pathlib import Path; from ledger.bundle import write_bundle\n"
        "write_bundle(Path(sys.argv[1]), Path(sys.argv[2]), force=True)"
    )
    command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}"]
    command += ["-e", f"inject={call}:signal=SIGKILL:when={when}", sys.executable, "-c", code]
    done = subprocess.run(
        [*command, str(days.path), str(tmp_path / "e.zip")],
        cwd=REPOSITORY,
        capture_output=True,
        check=False,
    )
    if done.returncode == 1 and b"ptrace" in done.stderr:
        pytest.skip("strace may not trace")
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert ((tmp_path / "e.zip").read_bytes() == b"old") == is_old
    assert is_old or verify_bundle(tmp_path / "e.zip").ok
    write_bundle(days.path, tmp_path / "e.zip", force=True)
    assert verify_bundle(tmp_path / "e.zip").ok


def test_trust_comes_from_outside(days: Log, key: SigningKey, tmp_path: Path) -> None:
    """With the key: signed. With a last seen checkpoint: an older bundle is a rollback."""
    write_bundle(days.path, tmp_path / "new.zip")
    write_bundle(days.path, tmp_path / "old.zip", as_of="2026-01-03")
    assert verify_bundle(tmp_path / "new.zip").trust == "self-consistent"
    seen = tmp_path / "seen"
    report = verify_bundle(tmp_path / "new.zip", keys=[key.verify_key], last_seen=seen)
    assert report.trust == "signed"
    assert seen.exists()
    assert verify_bundle(tmp_path / "old.zip", last_seen=seen).verdict == "rolled_back"
    stranger = SigningKey(key.name, bytes(32)).verify_key
    assert verify_bundle(tmp_path / "new.zip", keys=[stranger]).verdict == "signature"


def test_findings_name_the_file(days: Log, tmp_path: Path) -> None:
    """What the list does not say, and what it says and is not there."""
    store = tmp_path / "blobs"
    write_bundle(days.path, tmp_path / "e.zip", blobs=store, choice=["all"])
    folder = unpack(tmp_path / "e.zip", tmp_path / "unpacked")
    (folder / "verify.sql").unlink()
    (folder / "ledger" / "segments" / "000000000099").write_bytes(b"{}")
    (folder / "README.md").write_text("Trust us.", encoding="utf-8")
    report = verify_bundle(pack(folder, tmp_path / "changed.zip"))
    found = {(each.kind, each.where) for each in report.findings}
    assert {
        ("missing", "verify.sql"),
        ("altered", "ledger/segments/000000000099"),
        ("altered", "README.md"),
    } <= found
    assert report.trust == "none"


# What a foreign zip may try.


def zipped(path: Path, members: dict[str, bytes], *, mode: int = stat.S_IFREG | 0o644) -> Path:
    """Write a zip with any names and kinds of file."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return path


FRAME = {"MANIFEST.sha256": b"", "ledger/audit.jsonl": b""}


@pytest.mark.parametrize(
    "name",
    [
        "../outside",
        "ledger/../../outside",
        "/outside",
        "ledger\\..\\..\\outside",
        "ledger/audit.jsonl/",
        "ledger/anchors/../../../outside",
        "ledger/anchors/000000000001/x",
        "keys/log.key",
        "notes.txt",
        "blobs/sha256/ab/" + "c" * 61,
        "README.md\n",
    ],
)
def test_no_file_is_written_outside(tmp_path: Path, name: str) -> None:
    """A name that no bundle has stops before the first byte is written."""
    path = zipped(tmp_path / "e.zip", {**FRAME, name: b"x"})
    folder = tmp_path / "deep" / "folder"
    folder.mkdir(parents=True)
    with pytest.raises(MalformedBundleError, match="names of a bundle"):
        unpack_bundle(path, folder)
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["deep", "e.zip", "folder"]
    with pytest.raises(MalformedBundleError):
        verify_bundle(path)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFDIR, stat.S_IFCHR])
def test_nothing_but_plain_files_is_unpacked(tmp_path: Path, kind: int) -> None:
    """No link, no pipe, no folder, no device."""
    path = zipped(tmp_path / "e.zip", FRAME, mode=kind | 0o777)
    with pytest.raises(MalformedBundleError, match="plain files"):
        verify_bundle(path)


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """A zip that holds far more than its own size is refused by what it says of itself."""
    path = zipped(tmp_path / "e.zip", {**FRAME, "ledger/audit.jsonl": bytes(64 << 20)})
    assert path.stat().st_size * MOST_FOLD < 64 << 20
    with pytest.raises(MalformedBundleError, match="bytes unpacked"):
        verify_bundle(path)


def test_a_bomb_that_lies_about_its_size_is_not_unpacked(tmp_path: Path) -> None:
    """No more bytes are written than the zip says there are."""
    path = zipped(tmp_path / "e.zip", {**FRAME, "README.md": bytes(1 << 20)})
    data = path.read_bytes()
    size = (1 << 20).to_bytes(4, "little")
    assert data.count(size) == 2
    path.write_bytes(data.replace(size, (100).to_bytes(4, "little")))
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(MalformedBundleError, match="a whole zip"):
        unpack_bundle(path, folder)
    assert sum(each.stat().st_size for each in folder.rglob("*") if each.is_file()) <= 100


def test_a_name_stands_once(tmp_path: Path) -> None:
    """Of two files with one name, readers take different ones."""
    whole = zipped(tmp_path / "e.zip", {**FRAME, "README.md": b"", "README.mx": b""}).read_bytes()
    (tmp_path / "e.zip").write_bytes(whole.replace(b"README.mx", b"README.md"))
    with pytest.raises(MalformedBundleError, match="each once"):
        verify_bundle(tmp_path / "e.zip")


@pytest.mark.parametrize("members", [{"README.md": b""}, {"MANIFEST.sha256": b""}])
def test_a_zip_without_ledger_is_no_bundle(tmp_path: Path, members: dict[str, bytes]) -> None:
    """Nor one without the list of its files."""
    with pytest.raises(MalformedBundleError, match="and a ledger"):
        verify_bundle(zipped(tmp_path / "e.zip", members))
    with pytest.raises(MalformedBundleError, match="a file"):
        verify_bundle(tmp_path / "nothing.zip")


@given(at=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_any_bit_of_a_zip_is_refused_or_makes_no_difference(
    tmp_path_factory: pytest.TempPathFactory, at: int, bit: int
) -> None:
    """No other exception escapes, and what is accepted has the same records."""
    whole = example_bundle(tmp_path_factory)
    data = bytearray(whole.read_bytes())
    data[at % len(data)] ^= 1 << bit
    path = tmp_path_factory.mktemp("flipped") / "e.zip"
    path.write_bytes(data)
    try:
        report = verify_bundle(path)
    except MalformedBundleError:
        return
    assert not report.ok or report.root == verify_bundle(whole).root


_example: list[Path] = []


def example_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bundle that is made once."""
    from ledger import Log  # noqa: PLC0415
    from tests.ledger.conftest import ORIGIN, Clock  # noqa: PLC0415

    if not _example:
        folder = tmp_path_factory.mktemp("example")
        key, clock = SigningKey(ORIGIN, bytes(range(32))), Clock()
        with Log.create(
            folder / "ledger", origin=ORIGIN, key=key, clock=clock, segment_records=8
        ) as log:
            fill_days(log, key, clock, BlobStore(folder / "blobs"), 2)
        write_bundle(folder / "ledger", folder / "e.zip", blobs=folder / "blobs", choice=["all"])
        _example.append(folder / "e.zip")
    return _example[0]


def test_manifest_is_in_the_format_of_sha256sum(days: Log, tmp_path: Path) -> None:
    """`sha256sum -c` accepts it, and it lists every file but itself."""
    if shutil.which("sha256sum") is None:
        pytest.skip("sha256sum is not installed")
    write_bundle(days.path, tmp_path / "e.zip")
    folder = unpack(tmp_path / "e.zip", tmp_path / "unpacked")
    subprocess.run(["sha256sum", "-c", "--strict", "MANIFEST.sha256"], cwd=folder, check=True)
    before = (folder / "MANIFEST.sha256").read_bytes()
    relist(folder)
    assert sorted((folder / "MANIFEST.sha256").read_bytes().split(b"\n")) == sorted(
        before.split(b"\n")
    )


def test_the_verifier_in_the_bundle_is_ours_byte_for_byte(days: Log, tmp_path: Path) -> None:
    """So that its digest can be compared with the one of the repository."""
    write_bundle(days.path, tmp_path / "e.zip")
    folder = unpack(tmp_path / "e.zip", tmp_path / "unpacked")
    for name, source in (
        ("verify.py", "standalone.py"),
        ("verify.sh", "verifiers/verify.sh"),
        ("verify.sql", "verifiers/verify.sql"),
    ):
        assert (folder / name).read_bytes() == (REPOSITORY / "ledger" / source).read_bytes()
    assert not (folder / "README.md").read_text(encoding="utf-8").count("${")


def test_anchors_up_to_the_cut_are_in_it(days: Log, tmp_path: Path) -> None:
    """Later ones, and files of other names, are not."""
    folder = days.path / "anchors"
    folder.mkdir()
    for name in ("000000000008.tsr", "000000000099.tsr", "readme"):
        (folder / name).write_bytes(name.encode())
    write_bundle(days.path, tmp_path / "e.zip")
    found = unpack(tmp_path / "e.zip", tmp_path / "unpacked")
    assert [each.name for each in (found / "ledger" / "anchors").iterdir()] == ["000000000008.tsr"]
    assert set(holds(found).values()) == {True}
    assert len(list(read_records(found / "ledger"))) == 29

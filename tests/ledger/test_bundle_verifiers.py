"""Three verifiers that share no code, and the package, agree on every bundle and every attack."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import BlobStore, Log, SigningKey, sign_change
from ledger.bundle import write_bundle
from ledger.note import sign_note
from ledger.redaction import erase_line
from tests.ledger.bundles import (
    ATTACKS,
    VERIFIERS,
    by_shell,
    by_sql,
    fill_days,
    missing_tool,
    relist,
    unpack,
)
from tests.ledger.conftest import ORIGIN, Clock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.ledger.conftest import MakeLog


def skip_without_tools(verifier: str) -> None:
    """Skip what needs a tool that this machine has not, naming it."""
    if verifier == "shell" and (tool := missing_tool()):
        pytest.skip(f"{tool} is not installed")


@pytest.fixture
def folder(make_log: MakeLog, key: SigningKey, clock: Clock, tmp_path: Path) -> Path:
    """Return an unpacked bundle with all blobs: three closed segments and an active one."""
    store = BlobStore(tmp_path / "blobs")
    log = make_log(8)
    fill_days(log, key, clock, store)
    write_bundle(log.path, tmp_path / "e.zip", blobs=store.root, choice=["all"])
    return unpack(tmp_path / "e.zip", tmp_path / "unpacked")


@pytest.mark.parametrize("verifier", VERIFIERS)
def test_accepts_what_was_exported(folder: Path, verifier: str) -> None:
    """No false alarm."""
    skip_without_tools(verifier)
    assert VERIFIERS[verifier](folder)


@pytest.mark.parametrize("verifier", VERIFIERS)
@pytest.mark.parametrize("attack", ATTACKS)
def test_refuses_what_was_changed(folder: Path, attack: str, verifier: str) -> None:
    """Each attack is seen by each verifier; SQL alone cannot see who signed."""
    skip_without_tools(verifier)
    ATTACKS[attack].change(folder)
    if ATTACKS[attack].relisted:
        relist(folder)
    blind = verifier == "sql" and not ATTACKS[attack].sql_sees
    assert VERIFIERS[verifier](folder) == blind


@pytest.mark.parametrize("attack", [name for name in ATTACKS if ATTACKS[name].relisted])
def test_sha256sum_sees_what_was_not_listed_anew(folder: Path, attack: str) -> None:
    """The list alone finds every attack by somebody who forgets it."""
    skip_without_tools("shell")
    ATTACKS[attack].change(folder)
    assert not by_shell(folder)
    assert not by_sql(folder) or not ATTACKS[attack].sql_sees


@pytest.mark.parametrize("verifier", VERIFIERS)
def test_a_change_of_keys_holds(
    make_log: MakeLog,
    key: SigningKey,
    clock: Clock,
    tmp_path: Path,
    verifier: str,
) -> None:
    """A key comes, the first one goes; checkpoints of both times are checked with the right one."""
    skip_without_tools(verifier)
    store = BlobStore(tmp_path / "blobs")
    log = make_log(8)
    fill_days(log, key, clock, store, 1)
    after = SigningKey(ORIGIN, bytes(range(1, 33)))
    log.append([sign_change("add", after.verify_key, ORIGIN, key, after)])
    log.checkpoint(key, after)
    log.append([sign_change("retire", key.verify_key, ORIGIN, after)])
    log.checkpoint(after)
    write_bundle(log.path, tmp_path / "e.zip")
    folder = unpack(tmp_path / "e.zip", tmp_path / "unpacked")
    size = log.head().count
    windows = (folder / "keys" / "windows.txt").read_text(encoding="utf-8").split()
    assert windows == [
        key.verify_key.key_id.hex(),
        "0",
        str(size - 1),
        after.verify_key.key_id.hex(),
        str(size - 1),
        str(size),
    ]
    assert VERIFIERS[verifier](folder)
    # The same text, signed by the key that had gone before it.
    for path in (folder / "ledger" / f"checkpoints/{size:012d}", folder / "ledger" / "checkpoint"):
        note = path.read_text(encoding="utf-8")
        text = note.partition("\n\n")[0] + "\n"
        path.write_bytes(sign_note(text, key))
    relist(folder)
    assert VERIFIERS[verifier](folder) == (verifier == "sql")


@pytest.mark.parametrize("verifier", VERIFIERS)
def test_an_erased_record_holds(
    make_log: MakeLog, key: SigningKey, clock: Clock, tmp_path: Path, verifier: str
) -> None:
    """A stub is accepted with the redaction that allows it, and no other stub in its place."""
    skip_without_tools(verifier)
    log = make_log(8)
    fill_days(log, key, clock, BlobStore(tmp_path / "blobs"), 2)
    erase_line(log, 4, key, ground="erasure asked for", by="officer@firm")
    write_bundle(log.path, tmp_path / "e.zip")
    folder = unpack(tmp_path / "e.zip", tmp_path / "unpacked")
    assert VERIFIERS[verifier](folder)
    path = folder / "ledger" / "audit-000000000000.jsonl"
    data = path.read_bytes()
    assert data.count(b'"redacted":true') == 1
    path.write_bytes(data.replace(b'"redacted":true', b'"redacted":true,"status":"x"'))
    relist(folder)
    assert not VERIFIERS[verifier](folder)


@pytest.mark.parametrize("verifier", VERIFIERS)
def test_a_stub_without_redaction_is_refused(folder: Path, verifier: str) -> None:
    """Erasing a line is no way around its hash."""
    skip_without_tools(verifier)
    path = folder / "ledger" / "audit.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b',"run_id"', b',"redacted":true,"run_id"')
    path.write_bytes(b"".join(lines))
    relist(folder)
    assert not VERIFIERS[verifier](folder)


def test_a_key_from_elsewhere_is_what_counts(folder: Path, key: SigningKey) -> None:
    """Named on the command line, another key refuses the bundle and the right one accepts it."""
    stranger = SigningKey(ORIGIN, bytes(32)).verify_key.text
    commands = [[sys.executable, "-I", "verify.py", "bundle", "."]]
    if not missing_tool():
        commands.append(["sh", "verify.sh"])
    for command in commands:
        for text, code in ((key.verify_key.text, 0), (stranger, 3)):
            done = subprocess.run([*command, text], cwd=folder, capture_output=True, check=False)
            assert done.returncode == code, done.stdout


@pytest.mark.parametrize("tool", ["perl", "openssl"])
def test_the_script_names_a_tool_that_is_missing(folder: Path, tmp_path: Path, tool: str) -> None:
    """Without its tools nothing was checked, and the exit code says neither yes nor no."""
    path = tmp_path / "bin"
    path.mkdir()
    for name in (
        "sh",
        "dirname",
        "perl",
        "openssl",
        "sha256sum",
        "find",
        "sort",
        "sed",
        "grep",
        "awk",
        "cmp",
        "mktemp",
        "rm",
        "cat",
        "wc",
        "xargs",
    ):
        if name != tool and (found := shutil.which(name)):
            (path / name).symlink_to(found)
    done = subprocess.run(
        ["sh", "verify.sh"],
        cwd=folder,
        env={"PATH": str(path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, f"MISSING {tool}\n")


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an unpacked bundle with a change of keys and an erased record in it."""
    folder = tmp_path_factory.mktemp("clean")
    key, after = SigningKey(ORIGIN, bytes(range(32))), SigningKey(ORIGIN, bytes(range(1, 33)))
    clock, store = Clock(), BlobStore(folder / "blobs")
    options = {"origin": ORIGIN, "key": key, "clock": clock, "segment_records": 8}
    with Log.create(folder / "ledger", **options) as log:  # type: ignore[arg-type]
        fill_days(log, key, clock, store, 2)
        log.append([sign_change("add", after.verify_key, ORIGIN, key, after)])
        log.checkpoint(key, after)
        erase_line(log, 4, key, ground="asked for", by="officer@firm")
        log.append([sign_change("retire", key.verify_key, ORIGIN, after)])
        log.checkpoint(after)
    write_bundle(folder / "ledger", folder / "e.zip", blobs=store.root, choice=["all"])
    return unpack(folder / "e.zip", folder / "unpacked")


EDITS: dict[str, Callable[[bytes, int, int], bytes]] = {
    "flip": lambda data, at, by: data[:at] + bytes([data[at] ^ (1 << by % 8)]) + data[at + 1 :],
    "delete": lambda data, at, _by: data[:at] + data[at + 1 :],
    "insert": lambda data, at, by: data[:at] + b' \n\r\x00a"0\x01'[by % 8 :][:1] + data[at:],
}


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(sorted(EDITS)), st.integers(0), st.integers(0), st.integers(0, 7))
def test_they_agree_about_any_byte(clean: Path, edit: str, file: int, at: int, by: int) -> None:
    """One byte of the evidence flipped, taken out or put in; SQL excepted where it is signed."""
    if tool := missing_tool():
        pytest.skip(f"{tool} is not installed")
    folder = clean.parent / "changed"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(clean, folder)
    evidence = [
        path
        for name in ("ledger/audit*", "ledger/checkpoint*", "ledger/checkpoints/*", "blobs/*/*/*")
        for path in sorted(folder.glob(name))
        if path.is_file()
    ]
    path = evidence[file % len(evidence)]
    data = path.read_bytes()
    path.write_bytes(EDITS[edit](data, at % len(data), by))
    relist(folder)
    verdicts = {name: verify(folder) for name, verify in VERIFIERS.items()}
    signed = path.parent.name == "checkpoints" or path.name == "checkpoint"
    if signed:
        # A signature that nobody knows is no business of theirs; that it is one, SQL cannot tell.
        del verdicts["sql"]
    assert len(set(verdicts.values())) == 1, (path.name, verdicts)
    assert signed or not verdicts["package"]

"""Bundles for tests: a small ledger of several days, the attacks on it, and all who verify."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from ledger import Checkpoint, Digest, Draft, MalformedNoteError, SigningKey
from ledger.canonical import dumps
from ledger.checkpoint import sign_checkpoint
from ledger.errors import LedgerError
from ledger.unpack import verify_bundle
from tests.ledger.conftest import ORIGIN, fill

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ledger import BlobStore, Log
    from tests.ledger.conftest import Clock

DAY = 86_400


def fill_days(log: Log, key: SigningKey, clock: Clock, store: BlobStore, days: int = 4) -> None:
    """Append decisions, and a record that names a blob, on so many days; sign each evening."""
    for day in range(days):
        fill(log, 3, f"run-{day}")
        blob = store.put(f"prices of day {day}".encode())
        data = {"café": 'keeps {braces}, "quotes" and \\'}
        data = {"place": data["café"]}
        log.append(
            [
                Draft(
                    type="note",
                    run_id=f"run-{day}",
                    step="ingest",
                    id=f"run-{day}/ingest/1",
                    actor="café@host",
                    inputs={"prices": blob},
                    data=data,
                )
            ]
        )
        log.checkpoint(key)
        clock.shift(DAY)


def unpack(path: Path, folder: Path) -> Path:
    """Unpack a zip as any tool does."""
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    return folder


def pack(folder: Path, path: Path) -> Path:
    """Make a zip of all files of a folder."""
    with zipfile.ZipFile(path, "w") as archive:
        for each in sorted(folder.rglob("*")):
            if each.is_file():
                archive.write(each, each.relative_to(folder).as_posix())
    return path


def relist(folder: Path) -> None:
    """Write `MANIFEST.sha256` anew, as a forger would."""
    files = [each for each in sorted(folder.rglob("*")) if each.is_file()]
    lines = [
        f"{hashlib.sha256(each.read_bytes()).hexdigest()}  {each.relative_to(folder).as_posix()}\n"
        for each in files
        if each.name != "MANIFEST.sha256"
    ]
    (folder / "MANIFEST.sha256").write_text("".join(lines), encoding="utf-8")


# Who verifies an unpacked bundle: each returns whether it holds.


def by_python(folder: Path) -> bool:
    """Run `verify.py` of the bundle, isolated from everything installed."""
    command = [sys.executable, "-I", "verify.py", "bundle", "."]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 3), done.stderr
    assert done.stdout.startswith("PASS" if done.returncode == 0 else "FAIL")
    return done.returncode == 0


def by_shell(folder: Path) -> bool:
    """Run `verify.sh` of the bundle."""
    done = subprocess.run(
        ["sh", "verify.sh"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 3), done.stdout + done.stderr
    assert ("\nPASS " in done.stdout) == (done.returncode == 0)
    assert ("FAIL " in done.stdout) == (done.returncode == 3), done.stderr
    return done.returncode == 0


def by_sql(folder: Path) -> bool:
    """Run `verify.sql` of the bundle; an error instead of its table is a refusal."""
    script = (folder / "verify.sql").read_text(encoding="utf-8")
    with contextlib.chdir(folder), duckdb.connect() as connection:
        try:
            rows = connection.execute(script).fetchall()
        except duckdb.Error:
            return False
    assert len(rows) >= 14
    return all(result != "FAIL" for _, result, _, _ in rows)


def by_package(folder: Path) -> bool:
    """Verify the same files as a zip with the package."""
    path = pack(folder, folder.parent / "packed.zip")
    try:
        return verify_bundle(path).ok
    except (LedgerError, MalformedNoteError):
        return False


VERIFIERS: dict[str, Callable[[Path], bool]] = {
    "python": by_python,
    "shell": by_shell,
    "sql": by_sql,
    "package": by_package,
}


def missing_tool() -> str:
    """Return which tool of `verify.sh` this machine has not, or nothing."""
    return next((each for each in ("perl", "openssl") if shutil.which(each) is None), "")


# Attacks. Each changes an unpacked bundle; the list of files is written anew after it.


@dataclass(frozen=True)
class Attack:
    """One change of an unpacked bundle."""

    change: Callable[[Path], None]
    sql_sees: bool = True
    relisted: bool = True


def _lines(folder: Path) -> list[bytes]:
    return (folder / "ledger" / "audit.jsonl").read_bytes().splitlines(keepends=True)


def _put(folder: Path, lines: list[bytes]) -> None:
    (folder / "ledger" / "audit.jsonl").write_bytes(b"".join(lines))


def change_byte(folder: Path) -> None:
    """One bit of one byte in a line of a closed segment."""
    path = folder / "ledger" / "audit-000000000008.jsonl"
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(data)


def change_first(folder: Path) -> None:
    """A digit in the first record."""
    path = folder / "ledger" / "audit-000000000000.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"segment":8', b'"segment":4', 1))


def remove_line(folder: Path) -> None:
    """A line of the active segment."""
    _put(folder, _lines(folder)[:1] + _lines(folder)[2:])


def remove_tail(folder: Path) -> None:
    """The last two lines."""
    _put(folder, _lines(folder)[:-2])


def remove_newline(folder: Path) -> None:
    """The last byte of all."""
    _put(folder, [*_lines(folder)[:-1], _lines(folder)[-1][:-1]])


def swap_lines(folder: Path) -> None:
    """Two lines that follow each other."""
    lines = _lines(folder)
    lines[1], lines[2] = lines[2], lines[1]
    _put(folder, lines)


def swap_segments(folder: Path) -> None:
    """Two closed segments."""
    one, two = (folder / "ledger" / f"audit-{n:012d}.jsonl" for n in (0, 8))
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)


def reseal(folder: Path) -> None:
    """A changed record, and all hashes and links after it recomputed."""
    lines = _lines(folder)
    before = ""
    for at, line in enumerate(lines):
        record = json.loads(line)
        del record["hash"]
        record["actor"] = "somebody@else" if at == 0 else record.get("actor", "x")
        record["prev_hash"] = before or record["prev_hash"]
        body = dumps(record)
        before = hashlib.sha256(b"\0" + body).hexdigest()
        lines[at] = body[:-1] + f',"hash":"{before}"}}\n'.encode()
    _put(folder, lines)


def append_line(folder: Path) -> None:
    """A well-formed record after the newest checkpoint."""
    record = json.loads(_lines(folder)[-1])
    record["prev_hash"] = record.pop("hash")
    record["seq"] += 1
    record["id"] = "run-9/ingest/1"
    body = dumps(record)
    digest = hashlib.sha256(b"\0" + body).hexdigest()
    _put(folder, [*_lines(folder), body[:-1] + f',"hash":"{digest}"}}\n'.encode()])


def _notes(folder: Path) -> list[Path]:
    kept = sorted((folder / "ledger" / "checkpoints").iterdir())
    return [kept[-1], folder / "ledger" / "checkpoint"]


def forge_root(folder: Path) -> None:
    """The newest checkpoint with another root, the signature left as it was."""
    root = base64.b64encode(bytes(32))
    for path in _notes(folder):
        parts = path.read_bytes().split(b"\n")
        path.write_bytes(b"\n".join([*parts[:2], root, *parts[3:]]))


def forge_old_root(folder: Path) -> None:
    """An older checkpoint with another root."""
    path = sorted((folder / "ledger" / "checkpoints").iterdir())[1]
    parts = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([*parts[:2], base64.b64encode(bytes(32)), *parts[3:]]))


def put_back_older(folder: Path) -> None:
    """An older checkpoint, rightly signed, in the place of the newest."""
    older = sorted((folder / "ledger" / "checkpoints").iterdir())[1].read_bytes()
    (folder / "ledger" / "checkpoint").write_bytes(older)


def lose_newest(folder: Path) -> None:
    """The file of the newest checkpoint is gone; the one kept by its size is there."""
    (folder / "ledger" / "checkpoint").unlink()


def forge_signature(folder: Path) -> None:
    """The right text, signed by a key of the same name that nobody knows."""
    stranger = SigningKey(ORIGIN, bytes(32))
    for path in _notes(folder):
        origin, size, root = path.read_text(encoding="utf-8").split("\n")[:3]
        checkpoint = Checkpoint(origin, int(size), Digest(base64.b64decode(root).hex()))
        path.write_bytes(sign_checkpoint(checkpoint, stranger).note)


def forge_key(folder: Path) -> None:
    """Another key in `keys/`, for somebody who takes it from there."""
    for path in (folder / "keys").glob("*.vkey"):
        path.write_text(SigningKey(ORIGIN, bytes(32)).verify_key.text + "\n", encoding="utf-8")


def alter_blob(folder: Path) -> None:
    """The bytes of a blob."""
    path = next(each for each in (folder / "blobs").rglob("*") if each.is_file())
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b"!")


def add_blob(folder: Path) -> None:
    """A blob under its right name, which no record names."""
    data = b"never recorded"
    name = hashlib.sha256(data).hexdigest()
    path = folder / "blobs" / "sha256" / name[:2] / name[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def add_file(folder: Path) -> None:
    """A file in the folder of the ledger."""
    (folder / "ledger" / "audit.jsonl.orig").write_bytes(b"the true records")


def add_segment(folder: Path) -> None:
    """A second copy of records under the name of a segment."""
    data = (folder / "ledger" / "audit.jsonl").read_bytes()
    (folder / "ledger" / "audit-000000000099.jsonl").write_bytes(data)


def remove_file(folder: Path) -> None:
    """A file that is listed."""
    (folder / "ledger" / "checkpoints" / "000000000008").unlink()


def add_listed_nowhere(folder: Path) -> None:
    """A checkpoint that is not listed."""
    note = (folder / "ledger" / "checkpoint").read_bytes()
    (folder / "ledger" / "checkpoints" / "000000000009").write_bytes(note)


ATTACKS: dict[str, Attack] = {
    "byte-changed": Attack(change_byte),
    "first-changed": Attack(change_first),
    "line-removed": Attack(remove_line),
    "tail-removed": Attack(remove_tail),
    "newline-removed": Attack(remove_newline),
    "lines-swapped": Attack(swap_lines),
    "segments-swapped": Attack(swap_segments),
    "chain-resealed": Attack(reseal),
    "line-appended": Attack(append_line),
    "root-forged": Attack(forge_root),
    "old-root-forged": Attack(forge_old_root),
    "older-put-back": Attack(put_back_older),
    "newest-lost": Attack(lose_newest),
    "signature-forged": Attack(forge_signature, sql_sees=False),
    "key-forged": Attack(forge_key),
    "blob-altered": Attack(alter_blob),
    "blob-added": Attack(add_blob),
    "file-added": Attack(add_file),
    "segment-added": Attack(add_segment),
    "file-removed": Attack(remove_file, relisted=False),
    "file-unlisted": Attack(add_listed_nowhere, relisted=False),
}

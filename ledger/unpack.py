"""A bundle that was received: unpacked without harm, and verified.

This module shares no code with `ledger.bundle`, which writes bundles: the verifier does not import
the writer.

Invariants
----------
1. Nothing of a foreign zip reaches a disk but plain files under names that a bundle has, each once,
   and never more bytes than the bounds below.
2. `unpack_bundle` raises nothing but `MalformedBundleError`, and `StorageError` for our own disk.
3. A file that was added, taken out or changed is a finding, even where the ledger itself holds.
"""

from __future__ import annotations

import hashlib
import re
import stat
import tempfile
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ledger import segments
from ledger.blobs import BlobAlteredError, BlobStore
from ledger.digest import Digest
from ledger.errors import IntegrityError
from ledger.findings import Finding
from ledger.keys import VerifyKey
from ledger.record import hash_of_line, read_record
from ledger.rotation import KeyRing
from ledger.verify import verify

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from zipfile import ZipFile

    from ledger.findings import Report
    from ledger.policy import Policy

MANIFEST: Final = "MANIFEST.sha256"
MOST_FILES: Final = 1_000_000
MOST_BYTES: Final = 64 << 30
MOST_FOLD: Final = 200
"""A zip may hold so many times its own size; JSON lines with their hashes come to about ten."""
_SLACK = 16 << 20
_CHUNK = 1 << 20
_NAME = re.compile(
    r"README\.md|verify\.(py|sh|sql)|verify-weight\.py|MANIFEST\.sha256"
    r"|keys/(windows\.txt|[0-9a-f]{8}\.vkey)"
    r"|ledger/(checkpoint|audit\.jsonl|audit-[0-9]{12}\.jsonl)"
    r"|ledger/(checkpoints|segments)/[0-9]{12}"
    r"|ledger/anchors/[0-9]{12}[-._A-Za-z0-9]*"
    r"|blobs/sha256/[0-9a-f]{2}/[0-9a-f]{62}",
    re.ASCII,
)
_LISTED = re.compile(r"([0-9a-f]{64})  ([^\n]+)", re.ASCII)
_CHANGE = b'"type":"key"'
_DIGEST = re.compile(rb'"([0-9a-f]{64})"')


class MalformedBundleError(IntegrityError):
    """Bytes that are no evidence bundle, or one with a file that no bundle has."""

    code = "E0147"


def verify_bundle(
    path: Path,
    *,
    keys: Sequence[VerifyKey] = (),
    policy: Policy | None = None,
    last_seen: Path | None = None,
    anchor_git: Path | None = None,
    anchor_tsa: Path | None = None,
) -> Report:
    """Return the report of `verify` on the ledger in a bundle, with findings about its files.

    Parameters
    ----------
    path : Path
        The zip.
    keys, policy, last_seen, anchor_git, anchor_tsa
        As of `verify`: what the caller trusts that did not come with the bundle.

    Raises
    ------
    MalformedBundleError
        If it is no bundle, or would write where a bundle has no file.
    """
    with tempfile.TemporaryDirectory(prefix="assay-bundle-") as name:
        folder = Path(name)
        unpack_bundle(path, folder)
        findings = [*_check_list(folder), *_check_blobs(folder)]
        report = verify(
            folder / "ledger",
            keys=keys,
            policy=policy,
            last_seen=last_seen,
            anchor_git=anchor_git,
            anchor_tsa=anchor_tsa,
        )
        if report.ok:
            checks = (_check_end(folder, report), _check_keys(folder), _check_names(folder))
            findings += [finding for check in checks for finding in check]
    if not findings:
        return report
    return replace(report, trust="none", findings=(*report.findings, *findings))


def unpack_bundle(path: Path, folder: Path) -> None:
    """Write the files of a bundle into an empty folder, each under a name that a bundle has.

    Raises
    ------
    MalformedBundleError
        Before anything is written if a name, a kind of file or a size is not that of a bundle;
        while it is written if the bytes are not what the zip says of them.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _refuse_foreign(path, archive)
            for info in archive.infolist():
                target = folder / info.filename
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(info) as source, target.open("xb") as file:
                    while chunk := source.read(_CHUNK):
                        file.write(chunk)
    except FileNotFoundError as error:
        raise _malformed(path, "a file", "none") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
        raise _malformed(path, "a whole zip", str(error)) from error


def _refuse_foreign(path: Path, archive: ZipFile) -> None:
    members = archive.infolist()
    names = {info.filename for info in members}
    if len(names) != len(members) or len(names) > MOST_FILES:
        raise _malformed(path, f"at most {MOST_FILES} files, each once", f"{len(members)}")
    for info in members:
        kind = stat.S_IFMT(info.external_attr >> 16)
        if not _NAME.fullmatch(info.filename):
            raise _malformed(path, "names of a bundle", repr(info.filename))
        if kind not in (0, stat.S_IFREG) or info.flag_bits & 1:
            raise _malformed(path, "plain files", f"another kind: {info.filename}")
    if not {MANIFEST, f"ledger/{segments.ACTIVE}"} <= names:
        raise _malformed(path, f"{MANIFEST} and a ledger", "neither or one of them")
    size, most = sum(info.file_size for info in members), path.stat().st_size * MOST_FOLD + _SLACK
    if size > min(MOST_BYTES, most):
        raise _malformed(path, f"at most {min(MOST_BYTES, most)} bytes unpacked", f"{size}")


def _malformed(path: Path, expected: str, found: str) -> MalformedBundleError:
    return MalformedBundleError(
        what=f"not an evidence bundle: expected {expected}, found {found}",
        where=str(path),
        why="a bundle holds the files its README lists and no other",
        fix="ask for another copy; `assay export` writes one",
    )


def _check_list(folder: Path) -> Iterator[Finding]:
    """Yield a finding for each file that is not as `MANIFEST.sha256` lists it."""
    text = (folder / MANIFEST).read_text(encoding="utf-8", errors="replace")
    listed = {match[2]: match[1] for match in map(_LISTED.fullmatch, text.splitlines()) if match}
    found = {each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file()}
    for name in sorted(listed.keys() - found):
        yield Finding("missing", f"a file that {MANIFEST} lists is not there", where=name)
    for name in sorted(found - listed.keys() - {MANIFEST}):
        yield Finding("altered", f"a file that {MANIFEST} does not list", where=name)
    for name in sorted(listed.keys() & found):
        with (folder / name).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != listed[name]:
            message = f"not the file that {MANIFEST} lists"
            yield Finding("altered", message, None, None, listed[name], digest, name)


def _check_blobs(folder: Path) -> Iterator[Finding]:
    """Yield a finding for each blob that is not itself."""
    store = BlobStore(folder / "blobs")
    for digest in store:
        try:
            store.get(digest)
        except BlobAlteredError as error:
            yield Finding("altered", error.what, where=f"blobs/{digest}")


def _check_names(folder: Path) -> Iterator[Finding]:
    """Yield a finding for each blob that no record of the ledger, which holds, names."""
    unnamed = set(BlobStore(folder / "blobs"))
    for _, line in segments.iter_lines(folder / "ledger") if unnamed else ():
        unnamed -= {Digest(text.decode()) for text in _DIGEST.findall(line)}
    for digest in sorted(unnamed):
        yield Finding("altered", "a blob that no record names", where=f"blobs/{digest}")


def _check_end(folder: Path, report: Report) -> Iterator[Finding]:
    """Yield a finding if the ledger, which holds, does not end at its newest checkpoint."""
    covered = report.checkpoint.size if report.checkpoint else 0
    if covered != report.count:
        message = "a bundle ends at its newest checkpoint, and records stand after it"
        yield Finding("altered", message, covered, None, str(covered), str(report.count))
    kept = folder / "ledger" / "checkpoints" / f"{covered:012d}"
    newest = folder / "ledger" / "checkpoint"
    both = kept.exists() and newest.exists()
    if not both or kept.read_bytes() != newest.read_bytes():
        yield Finding("altered", "not the newest checkpoint", where="ledger/checkpoint")


def _check_keys(folder: Path) -> Iterator[Finding]:
    """Yield a finding if `keys/` has others than those that the ledger, which holds, states."""
    genesis = segments.read_genesis(folder / "ledger")
    ring = KeyRing(genesis.origin, VerifyKey.parse(genesis.vkey))
    for _, line in segments.iter_lines(folder / "ledger"):
        if _CHANGE in line and hash_of_line(line) and (record := read_record(line)).type == "key":
            ring.apply(record)
    stated = sorted(window.key.text for window in ring.windows)
    found = sorted(
        path.read_bytes().decode("latin-1").strip() for path in folder.glob("keys/*.vkey")
    )
    if found != stated:
        message = "keys/ does not hold the keys that the ledger states"
        yield Finding("signature", message, None, None, ", ".join(stated), ", ".join(found), "keys")

"""Verification: does the evidence still say what it said.

The verifier shares the format with the writer (`record`, `segments`, `merkle`, `note`) but imports
none of the code that writes: not `log`, nor what only `log` uses. It takes no lock, needs no right
to write, and stops at nothing: every finding is reported.

Levels::

    fast    bytes: hash of each line, link to the line before, roots under all checkpoints
    strict  and each record in its one spelling, seq, ts, ids, pairs of intent and outcome

Invariants
----------
1. A ledger that a log wrote has no findings, at any moment, a crash excepted (torn).
2. Any other bytes in a record that a checkpoint covers give a finding, at both levels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ledger import checkpoints, segments
from ledger.blobs import BlobAlteredError, BlobMissingError, BlobStore
from ledger.checkpoint import open_checkpoint
from ledger.digest import Digest
from ledger.errors import ConfigError
from ledger.findings import Finding, Findings, Report
from ledger.keys import MalformedKeyError, VerifyKey
from ledger.lints import Lints
from ledger.note import MalformedNoteError
from ledger.record import MalformedRecordError
from ledger.segments import MalformedLedgerError
from ledger.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ledger.checkpoint import Checkpoint
    from ledger.findings import Trust


def verify(
    root: Path,
    *,
    blobs: Path | None = None,
    level: Literal["strict", "fast"] = "strict",
    since: int = 0,
    keys: Sequence[VerifyKey] = (),
) -> Report:
    """Return a report on the ledger in `root`.

    Parameters
    ----------
    root : Path
        The folder with `audit.jsonl`.
    blobs : Path, optional
        The folder with `sha256/`: every blob that a record names is checked too.
    level : {"strict", "fast"}
        `fast` reads bytes only.
    since : int
        Records before this seq are believed to state their own hash, and are not parsed.
    keys : sequence of VerifyKey
        Keys of the log that the caller trusts, from outside the ledger. Without, the ledger can
        only agree with the key that it names itself.

    Raises
    ------
    ConfigError
        If there is no ledger in `root`.
    """
    if not segments.list_segments(root):
        raise segments.no_ledger(root)
    findings = Findings()
    kept = _read_checkpoints(root, _known_keys(root, keys, findings), findings)
    lints = Lints() if level == "strict" else None
    walk = Walk(root, marks=[each.size for each in kept], lints=lints, since=since)
    walk.run()
    agreeing = _compare(kept, walk, findings)
    if blobs is not None and lints is not None:
        _check_blobs(blobs, lints, findings)
    everything = (*walk.findings.items, *findings.items)
    trust: Trust = "none" if everything else "signed" if keys else "self-consistent"
    return Report(
        trust=trust,
        count=walk.count,
        head=walk.head,
        root=Digest(walk.tree_root.hex()),
        checkpoint=agreeing,
        findings=everything,
        unread=tuple(walk.unread),
        unanswered=lints.unanswered if lints else 0,
    )


def _known_keys(root: Path, keys: Sequence[VerifyKey], findings: Findings) -> tuple[VerifyKey, ...]:
    """Return the keys to check checkpoints with: those given, else the one in the genesis."""
    try:
        genesis = segments.read_genesis(root)
        named = VerifyKey.parse(genesis.vkey)
    except (MalformedRecordError, MalformedLedgerError, MalformedKeyError) as error:
        findings.add(Finding("altered", f"no genesis record: {error.what}", 0, 0))
        return tuple(keys)
    except ConfigError:
        return tuple(keys)
    if named.name != genesis.origin:
        findings.add(Finding("lint", "the key is not named by the origin", 0, 0))
    return tuple(keys) or (named,)


def _read_checkpoints(
    root: Path, keys: tuple[VerifyKey, ...], findings: Findings
) -> list[Checkpoint]:
    """Return the checkpoints that open, ascending; the newest stands in two files."""
    names = [f"checkpoints/{size:012d}" for size in checkpoints.list_sizes(root)]
    opened = [_open(root, name, keys, findings) for name in names]
    if (root / "checkpoint").exists():
        opened.append(_open(root, "checkpoint", keys, findings))
    elif not opened:
        findings.add(Finding("missing", "no checkpoint: nothing was signed", where="checkpoint"))
    return sorted((each for each in opened if each), key=lambda each: each.size)


def _open(
    root: Path, name: str, keys: tuple[VerifyKey, ...], findings: Findings
) -> Checkpoint | None:
    try:
        return open_checkpoint((root / name).read_bytes(), keys)
    except MalformedNoteError as error:
        findings.add(Finding("signature", error.what, where=name))
        return None


def _compare(kept: list[Checkpoint], walk: Walk, findings: Findings) -> Checkpoint | None:
    """Compare the roots with the records; return the newest checkpoint that agrees."""
    agreeing = None
    for each in kept:
        if each.size > walk.count:
            findings.add(
                Finding(
                    "truncated",
                    "records that a checkpoint covers are not there",
                    walk.count,
                    expected=f"{each.size} records",
                    found=f"{walk.count} records",
                )
            )
        elif (root := walk.roots.get(each.size)) is not None and root.hex() != each.root:
            findings.add(
                Finding(
                    "rewritten",
                    f"the first {each.size} records are not those that were signed",
                    agreeing.size if agreeing else 0,
                    expected=f"root {each.root}",
                    found=f"root {root.hex()}",
                )
            )
        else:
            agreeing = each
    return agreeing


def _check_blobs(folder: Path, lints: Lints, findings: Findings) -> None:
    store = BlobStore(folder)
    for digest, seq in lints.blobs.items():
        try:
            store.get(digest)
        except BlobMissingError as error:
            if digest not in lints.erased:
                findings.add(Finding("missing", error.what, seq, where=error.where))
        except BlobAlteredError as error:
            findings.add(Finding("altered", error.what, seq, where=error.where))

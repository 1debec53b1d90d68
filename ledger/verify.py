"""Verification: does the evidence still say what it said.

The verifier shares the format with the writer (`record`, `segments`, `merkle`, `note`) but imports
none of the code that writes: not `log`, nor what only `log` uses. It takes no lock, needs no right
to write, and stops at nothing: every finding is reported.

Levels::

    fast    bytes: hash of each line, link to the line before, roots under all checkpoints
    strict  and each record in its one spelling, seq, ts, ids, pairs of intent and outcome

What the verifier brings decides how far the result may be trusted: nothing (the ledger agrees with
the key it names itself), a key, a policy with witnesses, anchors outside the ledger, the newest
checkpoint seen before.

Invariants
----------
1. A ledger that a log wrote has no findings, at any moment, a crash excepted (torn).
2. Any other bytes in a record that a checkpoint covers give a finding, at both levels.
3. With a last seen checkpoint, so does any other history and any earlier state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ledger import checkpoints, segments
from ledger.anchored import Anchors, Seen
from ledger.approval import Approvals
from ledger.blobs import BlobAlteredError, BlobMissingError, BlobStore
from ledger.checkpoint import read_checkpoint
from ledger.digest import Digest
from ledger.errors import ConfigError
from ledger.findings import Finding, Findings, Report
from ledger.keys import ED25519, MalformedKeyError, VerifyKey
from ledger.lints import Lints
from ledger.memory import read_last_seen, write_last_seen
from ledger.note import MalformedNoteError, open_note
from ledger.policy import policy_of
from ledger.record import MalformedRecordError
from ledger.rotation import KeyRing
from ledger.segments import MalformedLedgerError
from ledger.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ledger.checkpoint import Checkpoint
    from ledger.findings import Kind, Trust
    from ledger.policy import Policy


def verify(
    root: Path,
    *,
    blobs: Path | None = None,
    level: Literal["strict", "fast"] = "strict",
    since: int = 0,
    keys: Sequence[VerifyKey] = (),
    policy: Policy | None = None,
    last_seen: Path | None = None,
    anchor_git: Path | None = None,
    anchor_tsa: Path | None = None,
) -> Report:
    """Return a report on the ledger in `root`.

    Parameters
    ----------
    root : Path
        The folder with `audit.jsonl`.
    blobs : Path, optional
        The folder with `sha256/`: every blob that a record names is checked too. Needs the strict
        level.
    level : {"strict", "fast"}
        `fast` reads bytes only.
    since : int
        Records before this seq are believed to state their own hash, and are not parsed.
    keys : sequence of VerifyKey
        Keys of the log that the caller trusts, from outside the ledger. Without, the ledger can
        only agree with the key that it names itself. Of a log, its first key: later ones follow
        from its records. Given a cosigning key too, the newest checkpoint must have its line.
    policy : Policy, optional
        Keys of the log and a quorum of witnesses that the newest checkpoint must have.
    last_seen : Path, optional
        A file on the verifier's side with the newest checkpoint accepted before. The ledger must
        extend it; it is moved forward when nothing is found.
    anchor_git : Path, optional
        The verifier's own clone of the repository with the tags `ledger/<size>`.
    anchor_tsa : Path, optional
        Certificates in PEM of the authority that stamped `anchors/<size>.tsr`.

    Raises
    ------
    ConfigError
        If there is no ledger in `root`, or an option does not fit.
    AnchorError
        If the clone holds no tag of this ledger.
    """
    if not segments.list_segments(root):
        raise segments.no_ledger(root)
    _check_options(blobs, level)
    if policy is None and any(key.algorithm != ED25519 for key in keys):
        policy = policy_of(keys)
    verification = _Verification(root, (*keys, *(policy.logs if policy else ())), policy)
    if verification.origin:
        # Without a genesis record nobody knows which anchors are its own; that is a finding.
        anchors = Anchors(root, verification.origin, git=anchor_git, authority=anchor_tsa)
        verification.bring(anchors)
    verification.read_checkpoints()
    seen = read_last_seen(last_seen, verification.origin) if last_seen else None
    lints = Lints() if level == "strict" else None
    verification.walk_records(lints, since, seen)
    if blobs is not None and lints is not None:
        verification.check_blobs(blobs, lints)
    report = verification.report(lints)
    if last_seen and report.ok and report.checkpoint:
        write_last_seen(last_seen, report.checkpoint)
    return report


class _Verification:
    """What is known about one ledger while it is verified."""

    def __init__(self, root: Path, keys: tuple[VerifyKey, ...], policy: Policy | None) -> None:
        self._root = root
        self._brought = tuple(dict.fromkeys(key for key in keys if key.algorithm == ED25519))
        self._cosigners = [key for key in policy.keys if key.algorithm != ED25519] if policy else []
        self._anchors: Anchors | None = None
        self._policy = policy
        self._findings = Findings()
        self._kept: list[tuple[str, Checkpoint]] = []
        self._agreeing: Checkpoint | None = None
        self._walk = Walk(root, marks=(), lints=None)
        self.origin = ""
        self._ring = self._read_genesis()

    @property
    def covered(self) -> int:
        """How many records the newest checkpoint covers that agrees with them."""
        return self._agreeing.size if self._agreeing else 0

    def bring(self, anchors: Anchors) -> None:
        """Take the anchors that the verifier brings."""
        self._anchors = anchors

    def read_checkpoints(self) -> None:
        """Read all notes that are kept; the newest stands in two files."""
        names = [f"checkpoints/{size:012d}" for size in checkpoints.list_sizes(self._root)]
        if (self._root / "checkpoint").exists():
            names.append("checkpoint")
        for name in names:
            try:
                self._kept.append((name, read_checkpoint((self._root / name).read_bytes())))
            except MalformedNoteError as error:
                self._add("signature", error.what, where=name)
        if not names:
            self._add("missing", "no checkpoint: nothing was signed", where="checkpoint")
        self._kept.sort(key=lambda named: named[1].size)

    def walk_records(self, lints: Lints | None, since: int, seen: Checkpoint | None) -> None:
        """Read all records, then compare every checkpoint with them."""
        marks = [checkpoint.size for _, checkpoint in self._kept]
        marks += [seen.size] if seen else []
        marks += self._anchors.sizes if self._anchors else []
        self._walk = Walk(self._root, marks=marks, lints=lints, since=since)
        self._walk.run()
        for record in self._walk.keys:
            if fault := self._ring.apply(record):
                self._add("signature", f"the change of keys does not hold: {fault}", record.seq)
        self._check_approvals()
        if seen is not None:
            self._compare_with_seen(seen)
        self._compare_with_anchors()
        for name, checkpoint in self._kept:
            self._compare(name, checkpoint)
        covered = self.covered
        self._walk.judge_stubs(covered)
        if self._walk.unread_until > covered:
            self._add("missing", "a segment is not here and no checkpoint speaks for it", covered)

    def check_blobs(self, folder: Path, lints: Lints) -> None:
        """Check every blob that a record names."""
        store = BlobStore(folder)
        for digest, seq in lints.blobs.items():
            try:
                store.get(digest)
            except BlobMissingError as error:
                # A redaction counts when it is signed for: who may only append erases nothing.
                if self._walk.erased.get(digest, self.covered) >= self.covered:
                    self._add("missing", error.what, seq, where=error.where)
            except BlobAlteredError as error:
                self._add("altered", error.what, seq, where=error.where)

    def report(self, lints: Lints | None) -> Report:
        """Return what was found."""
        walk = self._walk
        witnessed = self._is_witnessed()
        findings = (*walk.findings.items, *self._findings.items)
        return Report(
            trust="none" if findings else self._trust(witnessed=witnessed),
            count=walk.count,
            head=walk.head,
            root=Digest(walk.tree_root.hex()),
            checkpoint=self._agreeing,
            findings=findings,
            unread=tuple(walk.unread),
            unanswered=lints.unanswered if lints else 0,
            anchors=tuple(self._anchors.agreeing) if self._anchors else (),
            keys=tuple(key.text for key in self._ring.valid_at(walk.count)),
        )

    def _check_approvals(self) -> None:
        """Report every approval that does not hold."""
        if self._walk.unread or not self.origin:
            # Who was enrolled may stand in a segment that is not here, or in a lost first record.
            return
        approvals = Approvals(self.origin, self._ring.valid_at)
        for record in self._walk.approvals:
            if fault := approvals.apply(record):
                self._add("signature", f"the approval does not hold: {fault}", record.seq)

    def _read_genesis(self) -> KeyRing:
        """Return the keys to begin with: those that the caller brought, else the genesis key."""
        try:
            genesis = segments.read_genesis(self._root)
            named = VerifyKey.parse(genesis.vkey)
        except (MalformedRecordError, MalformedLedgerError, MalformedKeyError) as error:
            self._add("altered", f"no genesis record: {error.what}", 0)
            return KeyRing("", *self._brought)
        except segments.NoLedgerError as error:
            self._add("missing", error.what, 0, where=error.where)
            return KeyRing("", *self._brought)
        self.origin = genesis.origin
        if named.name != genesis.origin:
            self._add("signature", "the key is not named by the origin", 0)
        if genesis.cosigner:
            self._read_cosigner(genesis.cosigner)
        return KeyRing(genesis.origin, *(self._brought or (named,)))

    def _read_cosigner(self, text: str) -> None:
        try:
            cosigner = VerifyKey.parse(text)
        except MalformedKeyError as error:
            self._add("signature", f"the second key is none: {error.what}", 0)
            return
        # Its line need not be there, unless a policy asks for it; a wrong one rejects the note.
        if cosigner.name == self.origin and cosigner.algorithm != ED25519:
            self._cosigners.append(cosigner)

    def _compare_with_anchors(self) -> None:
        walk = self._walk
        if self._anchors is not None:
            found = Seen(walk.count, walk.roots, walk.anchors, walk.broken)
            for finding in self._anchors.judge(found):
                self._findings.add(finding)

    def _compare_with_seen(self, seen: Checkpoint) -> None:
        walk = self._walk
        if seen.size > walk.count:
            self._add(
                "rolled_back",
                "the ledger is shorter than when it was last seen",
                walk.count,
                f"{seen.size} records",
                f"{walk.count} records",
            )
        elif (root := walk.roots.get(seen.size)) is not None and root.hex() != seen.root:
            self._add(
                "forked",
                f"the first {seen.size} records are not those that were last seen",
                None,
                f"root {seen.root}",
                f"root {root.hex()}",
            )

    def _compare(self, name: str, checkpoint: Checkpoint) -> None:
        """Compare one checkpoint with keys and records."""
        if not self._is_signed(name, checkpoint):
            return
        walk = self._walk
        if checkpoint.size > walk.count:
            self._add(
                "truncated",
                "records that a checkpoint covers are not there",
                walk.count,
                f"{checkpoint.size} records",
                f"{walk.count} records",
                name,
            )
        elif (root := walk.roots.get(checkpoint.size)) is None:
            # Inside a segment that was moved away: a later checkpoint speaks for it.
            return
        elif root.hex() != checkpoint.root and self._is_broken_below(checkpoint.size):
            # The altered record explains it; the chain was not sealed again.
            return
        elif root.hex() != checkpoint.root:
            self._add(
                "rewritten",
                f"the first {checkpoint.size} records are not those that were signed",
                self._agreeing.size if self._agreeing else 0,
                f"root {checkpoint.root}",
                f"root {root.hex()}",
                name,
            )
        else:
            self._agreeing = checkpoint

    def _is_broken_below(self, size: int) -> bool:
        found = [each for each in self._walk.findings.items if each.kind in ("altered", "missing")]
        return any(each.seq is None or each.seq < size for each in found)

    def _is_signed(self, name: str, checkpoint: Checkpoint) -> bool:
        if self.origin and checkpoint.origin != self.origin:
            self._add("signature", "of another ledger", None, self.origin, checkpoint.origin, name)
            return False
        keys = self._ring.valid_at(checkpoint.size)
        if not keys and not self.origin:
            # Without a genesis record nobody's signature is known; that is reported once.
            return True
        try:
            verified = open_note(checkpoint.note, (*keys, *self._cosigners)).verified
        except MalformedNoteError as error:
            self._add("signature", error.what, where=name)
            return False
        if not any(key in keys for key in verified):
            self._add("signature", "no key of the log signed", where=name)
            return False
        return True

    def _is_witnessed(self) -> bool:
        """Return whether a policy asks for witnesses and the newest checkpoint has them."""
        if self._policy is None or self._agreeing is None:
            return False
        keys = (*self._policy.keys, *self._ring.valid_at(self._agreeing.size))
        try:
            verified = open_note(self._agreeing.note, keys).verified
        except MalformedNoteError as error:
            self._add("signature", error.what, where="checkpoint")
            return False
        met = self._policy.is_met(verified)
        if not met:
            self._add(
                "signature",
                "the newest checkpoint lacks cosignatures",
                None,
                f"quorum {self._policy.quorum}",
                ", ".join(key.name for key in verified),
                "checkpoint",
            )
        # The second key of the log itself is no second party.
        others = [key for key in self._policy.witnesses.values() if key.name != self.origin]
        return met and self._policy.quorum != "none" and any(key in verified for key in others)

    def _trust(self, *, witnessed: bool) -> Trust:
        if self._anchors is not None and self._anchors.agreeing:
            return "anchored"
        if witnessed:
            return "witnessed"
        return "signed" if self._brought else "self-consistent"

    def _add(  # noqa: PLR0917 - the fields of a finding, in their order
        self,
        kind: Kind,
        message: str,
        seq: int | None = None,
        expected: str = "",
        found: str = "",
        where: str = "",
    ) -> None:
        self._findings.add(Finding(kind, message, seq, None, expected, found, where))


def _check_options(blobs: Path | None, level: str) -> None:
    if blobs is not None and level != "strict":
        raise ConfigError(
            what="blobs cannot be checked at the fast level",
            where="blobs",
            why="the fast level does not parse records, and so does not know their blobs",
            fix="leave out one of the two",
        )

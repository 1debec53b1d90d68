"""What a verifier reports.

A finding is bad news about the evidence; a report holds all of them, the worst kind first in its
verdict, and how far the good news may be trusted.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast

from ledger.digest import ZERO

if TYPE_CHECKING:
    from ledger.checkpoint import Checkpoint
    from ledger.digest import Digest

Kind: TypeAlias = Literal[
    "forked",
    "rolled_back",
    "rewritten",
    "truncated",
    "altered",
    "signature",
    "missing",
    "torn",
    "lint",
]
KINDS: Final[dict[Kind, str]] = {
    "forked": "another history of the same length or longer than the one seen before",
    "rolled_back": "an older state of the ledger than the one seen before",
    "rewritten": "the chain holds, but not under what was signed",
    "truncated": "records that were signed for are not there",
    "altered": "bytes are not those that were written",
    "signature": "a signature, key or quorum does not hold",
    "missing": "a file that should be there is not",
    "torn": "an append was cut off; open the log to recover",
    "lint": "the bytes hold, but break a rule of the format",
}
"""The kinds, the worst first."""

Trust: TypeAlias = Literal["none", "self-consistent", "signed", "witnessed", "anchored"]
TRUST: Final[dict[Trust, str]] = {
    "none": "findings stand against it",
    "self-consistent": "chain, tree and signatures agree with the key that the ledger itself names",
    "signed": "the newest checkpoint is signed by a key that the verifier brought",
    "witnessed": "and the quorum of the policy cosigned it",
    "anchored": "an anchor outside the ledger, brought by the verifier, holds a checkpoint",
}


@dataclass(frozen=True, slots=True)
class Anchored:
    """An anchor that agrees: the kind, how many records it covers, and its time if it has one."""

    kind: Literal["git", "tsa"]
    size: int
    time: str = ""

    def to_text(self) -> str:
        """Return it as people read it."""
        return f"{self.kind} {self.size} records" + (f" at {self.time}" if self.time else "")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not hold.

    Parameters
    ----------
    kind : Kind
        What happened, as far as the bytes tell.
    message : str
        The same in a sentence.
    seq : int, optional
        The record.
    offset : int, optional
        The first byte of its line in its file.
    expected, found : str
        What the rule asks for, and what is there.
    where : str
        The file.
    """

    kind: Kind
    message: str
    seq: int | None = None
    offset: int | None = None
    expected: str = ""
    found: str = ""
    where: str = ""

    def to_text(self) -> str:
        """Return the finding as the lines that people read."""
        place = [self.where] if self.where else []
        if self.seq is not None:
            place.append(f"record {self.seq}")
        if self.offset is not None:
            place.append(f"byte {self.offset}")
        lines = [f"{self.kind}: {self.message}", f"  where     {', '.join(place) or '-'}"]
        if self.expected or self.found:
            lines += [f"  expected  {self.expected!a}", f"  found     {self.found!a}"]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The outcome of a verification.

    Parameters
    ----------
    trust : Trust
        How far the result may be trusted; `none` when there are findings.
    count, head, root
        Number of records, hash of the last, and RFC 6962 root over all of them.
    checkpoint : Checkpoint, optional
        The newest checkpoint that agrees with the records.
    findings : tuple of Finding
        All that does not hold, in the order of the ledger.
    unread : tuple of int
        The first seq of each segment that was moved away, for which its summary stood in.
    unanswered : int
        Intents without an outcome, where the strict level counted them.
    anchors : tuple of Anchored
        Those that the verifier brought and that agree, the smallest first.
    keys : tuple of str
        The verifier keys that are valid at the last record.
    """

    trust: Trust
    count: int
    head: Digest = ZERO
    root: Digest
    checkpoint: Checkpoint | None = None
    findings: tuple[Finding, ...] = ()
    unread: tuple[int, ...] = ()
    unanswered: int = 0
    anchors: tuple[Anchored, ...] = ()
    keys: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    @property
    def verdict(self) -> Kind | Literal["ok"]:
        """`ok`, or the worst kind of finding."""
        found = {finding.kind for finding in self.findings}
        return next((kind for kind in KINDS if kind in found), "ok")

    def to_text(self) -> str:
        """Return the report as the lines that people read."""
        meaning = KINDS.get(cast("Kind", self.verdict), "")
        verdict = "PASS" if self.ok else f"FAIL  {self.verdict}: {meaning}"
        lines = [
            verdict,
            f"  records     {self.count}",
            f"  head        {self.head}",
            f"  root        {self.root}",
            f"  checkpoint  {self._coverage()}",
            f"  trust       {self.trust}: {TRUST[self.trust]}",
        ]
        if self.anchors:
            newest = {each.kind: each for each in self.anchors}
            lines.append(f"  anchors     {', '.join(each.to_text() for each in newest.values())}")
        return "\n".join(lines + [finding.to_text() for finding in self.findings])

    def to_payload(self) -> dict[str, object]:
        """Return the report as the JSON object of `verify --json`."""
        checkpoint = self.checkpoint
        return {
            "ok": self.ok,
            "verdict": self.verdict,
            "trust": self.trust,
            "count": self.count,
            "head": self.head,
            "root": self.root,
            "checkpoint": checkpoint and {"size": checkpoint.size, "root": checkpoint.root},
            "findings": [asdict(finding) for finding in self.findings],
            "unanswered": self.unanswered,
            "anchors": [asdict(anchor) for anchor in self.anchors],
            "keys": list(self.keys),
            "unread": list(self.unread),
        }

    def _coverage(self) -> str:
        if self.checkpoint is None:
            return "none agrees with the records"
        later = self.count - self.checkpoint.size
        return f"{self.checkpoint.size} records, and {later} after it"


@dataclass(slots=True)
class Findings:
    """Findings as they come, at most so many of them; the rest is counted."""

    limit: int = 1000
    items: list[Finding] = field(default_factory=list)

    def add(self, finding: Finding) -> None:
        """Keep a finding."""
        if len(self.items) < self.limit:
            self.items.append(finding)

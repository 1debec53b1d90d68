"""One pass over the lines of a ledger: chain, tree and, at the strict level, every rule.

The walk goes on after a bad line with the hash that the line states, so that one altered record
gives one finding and the rest of the chain is still judged. The rules are judged up to the first
bad line only: what follows from it would be told as if it were something else.
"""

from __future__ import annotations

import hashlib
import time
import zlib
from binascii import hexlify
from typing import TYPE_CHECKING, Final

from ledger import segments
from ledger.digest import ZERO, Digest
from ledger.digest import sha256 as digest_of
from ledger.findings import Finding, Findings
from ledger.merkle import Frontier
from ledger.record import (
    TAIL,
    MalformedRecordError,
    hash_of_line,
    parse_body,
    parse_stub,
    read_record,
    split,
)
from ledger.segments import LineReader, MalformedLedgerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from ledger.findings import Kind
    from ledger.lints import Lints
    from ledger.record import Record
    from ledger.segments import Segment, Summary

_LINK: Final = b'"prev_hash":"'
_MARKS: Final = (
    b'"type":"key"',
    b'"type":"approval"',
    b'"type":"redaction"',
    b'"type":"anchor"',
)
_LAST_LETTERS: Final = bytes(sorted({mark[-2] for mark in _MARKS}))
"""Of the types looked for; in a line `","v":1` and its end follow."""
_PATIENCE: Final = 0.05
_TRIES: Final = 3


class Walk:
    """The state of a pass over the ledger in `root`.

    Parameters
    ----------
    root : Path
        The folder of the ledger.
    marks : iterable of int
        The sizes at which the root of the tree is wanted.
    lints : Lints, optional
        The rules to check; without, only bytes are.
    since : int
        Records before this seq are believed to state their own hash.
    """

    def __init__(
        self, root: Path, *, marks: Iterable[int], lints: Lints | None, since: int = 0
    ) -> None:
        self.findings = Findings()
        self.roots: dict[int, bytes] = {}
        self.unread: list[int] = []
        self.unread_until = 0
        self.torn: Finding | None = None
        self.keys: list[Record] = []
        self.approvals: list[Record] = []
        self.anchors: list[Record] = []
        self.erased: dict[str, int] = {}
        self._stubs: dict[int, tuple[Digest, Finding]] = {}
        self._allowed: dict[tuple[int, str], int] = {}
        self._root = root
        self._marks = sorted(set(marks), reverse=True)
        self._covered = self._marks[0] if self._marks else 0
        self._lints = lints
        self._since = since
        self._closed = Frontier()
        self._open = Frontier()
        self._before = ZERO.encode()
        self._digest = hashlib.sha256()
        self._ts = ""
        self._unfinished = -1
        self._file = ""
        self._offset = 0

    @property
    def count(self) -> int:
        """How many records were read."""
        return self._closed.size + self._open.size

    @property
    def broken(self) -> bool:
        """Whether bytes were found that are not those that were written, or are not there."""
        return any(finding.kind in ("altered", "missing") for finding in self.findings.items)

    @property
    def head(self) -> Digest:
        """The hash that the last record states."""
        return Digest(self._before.decode()) if self._before else ZERO

    @property
    def tree_root(self) -> bytes:
        """The root over all records."""
        return self._closed.joined(self._open).root()

    def run(self) -> None:
        """Read everything."""
        self._take_roots()
        with segments.snapshot(self._root) as found:
            # Without an active segment, a writer stopped while it closed the last one.
            self._unfinished = found[-1].first if found[-1].closed else -1
            for segment in found:
                if self.torn is None:
                    self._read_segment(segment)

    def judge_stubs(self, covered: int) -> None:
        """Report each stub that no later redaction under the checkpoint of `covered` allows."""
        for seq, (digest, finding) in self._stubs.items():
            if not seq < self._allowed.get((seq, digest), -1) < covered:
                self.findings.add(finding)

    def _read_segment(self, segment: Segment) -> None:
        self._file = segment.path.name if segment.path else f"segments/{segment.first:012d}"
        self._offset = 0
        if segment.first != self.count and not self.broken:
            self._add(
                "missing", "a segment is missing before this one", str(self.count), self._file
            )
            # Nobody can say what the first link should be.
            self._before = b""
        summary = self._read_summary(segment)
        if summary is None and segment.path is None:
            return  # A name in `segments/` and nothing behind it: reported, and nothing to read.
        if summary and (segment.path is None or self._is_believed(segment, summary)):
            self._skip(segment, summary)
            return
        try:
            self._read_lines(segment)
        except (OSError, EOFError, zlib.error) as error:
            self._add("altered", f"the file cannot be read: {error}", "a readable file", self._file)
        if segment.closed:
            self._close(summary)

    def _read_summary(self, segment: Segment) -> Summary | None:
        try:
            summary = segments.read_summary(self._root, segment.first) if segment.closed else None
        except MalformedLedgerError as error:
            self._add("altered", error.what, "a summary", error.where)
            return None
        if segment.closed and summary is None and segment.first == self._unfinished:
            self._add("torn", "the closing of a segment was cut off", "a summary", "none")
        elif segment.closed and summary is None:
            self._add("missing", "a closed segment has no summary", "a summary", "none")
        return summary

    def _is_believed(self, segment: Segment, summary: Summary) -> bool:
        """Return whether a segment lies before `since`, without keys, approvals and erasures."""
        if segment.first + summary.count > self._since:
            return False
        with segments.open_segment(segment) as stream:
            reader = LineReader(stream)
            return not any(mark in reader.block for _ in reader for mark in _MARKS)

    def _skip(self, segment: Segment, summary: Summary) -> None:
        """Take the word of a summary for a segment that is not read."""
        if self._lints is not None:
            self._lints.complete = False
        if segment.path is None:
            self.unread.append(segment.first)
            self.unread_until = segment.first + summary.count
        if self.count % summary.count:
            return
        self._closed.push_subtree(bytes.fromhex(summary.root), summary.count.bit_length() - 1)
        self._before = summary.head.encode()
        while self._marks and self._marks[-1] < self.count:
            self._marks.pop()
        self._take_roots()

    def _close(self, summary: Summary | None) -> None:
        """Compare a segment with its summary, and go on with the root over all of it."""
        part, self._open = self._open, Frontier()
        found = f"{part.size} records, head {self.head}, root {part.root().hex()}"
        if part.size and part.size & (part.size - 1) == 0 and self._closed.size % part.size == 0:
            self._closed.push_subtree(part.root(), part.size.bit_length() - 1)
        else:
            self._add("altered", "a closed segment is not full", "a power of two", found)
            self._closed, self._open = self._closed.joined(part), Frontier()
        if summary:
            stated = f"{summary.count} records, head {summary.head}, root {summary.root}"
            if stated != found and not self.broken:
                message = "the summary of a segment is not that of its records"
                self._add("altered", message, found, stated)
            elif self._lints is not None:
                self._check_file(summary)

    def _check_file(self, summary: Summary) -> None:
        """Compare size, digest and last time of a file with its summary; an erasure changes it."""
        if self.broken or any(seq >= summary.first for seq in self._stubs):
            return
        found = f"{self._offset} bytes, sha256 {self._digest.hexdigest()}, ts {self._ts}"
        ts = summary.ts if self._ts else ""
        stated = f"{summary.size} bytes, sha256 {summary.sha256}, ts {ts}"
        if stated != found:
            self._add("altered", "the summary of a segment is not that of its file", found, stated)

    def _read_lines(self, segment: Segment) -> None:
        torn = b""
        self._ts = ""
        for _ in range(_TRIES):
            self._digest = hashlib.sha256()
            with segments.open_segment(segment) as stream:
                stream.seek(self._offset)
                reader = LineReader(stream)
                for lines in reader:
                    self._note_changes(lines)
                    self._read_chunk(lines)
                    if self._lints is not None:
                        self._digest.update(b"\n".join(lines) + b"\n")
                    if self.torn is not None:
                        return
            torn = reader.torn
            if not torn or segment.closed:
                break
            # A writer may be in the middle of an append.
            time.sleep(_PATIENCE)
        if torn:
            self._find_torn(torn)

    def _find_torn(self, bytes_after: bytes) -> None:
        self.torn = Finding(
            "torn",
            "bytes after the last whole line: an append was cut off",
            self.count,
            self._offset,
            "LF",
            f"{len(bytes_after)} bytes",
            self._file,
        )
        self.findings.add(self.torn)

    def _read_chunk(self, lines: list[bytes]) -> None:
        skip = min(max(self._since - self.count, 0), len(lines))
        if skip:
            if self._lints is not None:
                self._lints.complete = False
            self._push([segments.line_hash(line) for line in lines[:skip]])
            self._offset += sum(map(len, lines[:skip])) + skip
            self._before = lines[skip - 1][9 - TAIL : -2]
            lines = lines[skip:]
        leaves, suspects, before = scan(lines, self._before)
        whole, judged = self._judge(lines, suspects)
        if self._lints is not None:
            self._check_rules(lines[:judged], {at for at, _ in suspects})
        self._push(leaves[:whole])
        self._before = before if whole == len(lines) else lines[whole - 1][9 - TAIL : -2]
        self._offset += sum(map(len, lines[:whole])) + whole

    def _judge(self, lines: list[bytes], suspects: list[tuple[int, bytes]]) -> tuple[int, int]:
        """Report bad lines; return how many lines count, and for how many the rules are judged."""
        offset, start = self._offset, self.count
        judged = 0 if self.broken else len(lines)
        for at, expected in suspects:
            self._offset = offset + sum(map(len, lines[:at])) + at
            torn = self._explain(lines[at], start + at, expected)
            if torn or self.broken:
                judged = min(judged, at)
            if torn:
                self._offset = offset
                return at, judged
        self._offset = offset
        return len(lines), judged

    def _explain(self, line: bytes, seq: int, expected: bytes) -> bool:
        """Report what is wrong with a line; return whether the walk ends here."""
        if b"\x00" in line and seq >= self._covered:
            self.torn = Finding(
                "torn", "NUL bytes in the tail", seq, self._offset, where=self._file
            )
            self.findings.add(self.torn)
            return True
        try:
            body, stated = split(line + b"\n")
        except MalformedRecordError as error:
            self._add("altered", error.what, "a record", repr(line[:60]), seq)
            return False
        own = hashlib.sha256(b"\x00" + body).hexdigest()
        if own != stated and parse_stub(line) is not None:
            message = "the record is a stub, but no later redaction under a checkpoint allows it"
            finding = Finding("altered", message, seq, self._offset, where=self._file)
            self._stubs[seq] = (digest_of(line), finding)
        elif own != stated:
            self._add("altered", "the record does not state its own hash", own, stated, seq)
        found = link(line)
        if expected and found != expected:
            self._add(
                "altered",
                "prev_hash is not the hash of the record before",
                expected.decode(),
                found.decode(errors="replace"),
                seq,
            )
        return False

    def _check_rules(self, lines: list[bytes], suspects: set[int]) -> None:
        start, offset = self.count, self._offset
        for at, line in enumerate(lines):
            seq = start + at
            record = parse_stub(line) if at in suspects else self._parse(line, seq)
            self._ts = record.ts if record else ""
            if record is not None and self._lints is not None:
                for message, expected, found in self._lints.check(record, seq):
                    self._add("lint", message, expected, found, seq)
            self._offset += len(line) + 1
        self._offset = offset

    def _parse(self, line: bytes, seq: int) -> Record | None:
        try:
            return parse_body(line[:-TAIL] + b"}", Digest(line[9 - TAIL : -2].decode()))
        except MalformedRecordError as error:
            self._add("lint", error.what, "a record in its one spelling", error.why, seq)
            return None

    def _note_changes(self, lines: list[bytes]) -> None:
        """Remember what changes keys, approves, allows a stub or anchors; both levels need it."""
        # By the last letter of the type, the fastest way to leave out most of the others.
        likely = [at for at, line in enumerate(lines) if line[-83:-82] in _LAST_LETTERS]
        for seq, line in ((self.count + at, lines[at]) for at in likely):
            if any(mark in line for mark in _MARKS) and hash_of_line(line):
                try:
                    record = read_record(line)
                except MalformedRecordError:
                    continue
                if record.type == "key":
                    self.keys.append(record)
                elif record.type == "approval":
                    self.approvals.append(record)
                elif record.type == "redaction":
                    self.approvals.append(record)
                    self._note_redaction(record.data, seq)
                elif record.type == "anchor":
                    self.anchors.append(record)

    def _note_redaction(self, data: Mapping[str, object], seq: int) -> None:
        erased, stub, blob = data.get("seq"), data.get("stub"), data.get("blob")
        if isinstance(blob, str):
            self.erased.setdefault(blob, seq)
        if type(erased) is int and isinstance(stub, str):
            self._allowed.setdefault((erased, stub), seq)

    def _push(self, leaves: list[bytes]) -> None:
        """Extend the tree, taking the root at each mark."""
        while self._marks and self._marks[-1] <= self.count + len(leaves):
            part = self._marks[-1] - self.count
            self._open.extend(leaves[:part])
            leaves = leaves[part:]
            self._take_roots()
        self._open.extend(leaves)

    def _take_roots(self) -> None:
        while self._marks and self._marks[-1] == self.count:
            self.roots[self._marks.pop()] = self.tree_root

    def _add(
        self, kind: Kind, message: str, expected: str, found: str, seq: int | None = None
    ) -> None:
        offset = None if seq is None else self._offset
        self.findings.add(Finding(kind, message, seq, offset, expected, found, self._file))


def scan(lines: list[bytes], before: bytes) -> tuple[list[bytes], list[tuple[int, bytes]], bytes]:
    """Return leaf hashes, suspect lines with the link each should have, and the last hash.

    This decides how fast a ledger is verified: each line is hashed, and hashes and links of all
    lines are compared with those that they state in two comparisons. Nothing is parsed. Only where
    one of them fails is each line looked at.
    """
    if not lines:
        return [], [], before
    sha256 = hashlib.sha256
    leaves = [sha256(b"\x00%b}" % line[:-TAIL]).digest() for line in lines]
    hashes = hexlify(b"".join(leaves), b",", 32)
    ends = b',"hash":"%b"}' % hashes.replace(b",", b'"},"hash":"')
    try:
        links = b",".join([line[(at := line.rindex(_LINK) + 13) : at + 64] for line in lines])
    except ValueError:
        # A line without a link.
        return scan_each(lines, before)
    holds = (
        b"".join([line[-TAIL:] for line in lines]) == ends
        and links == (b"%b,%b" % (before, hashes))[: len(links)]
        and len(links) == len(hashes)
    )
    return (leaves, [], hashes[-64:]) if holds else scan_each(lines, before)


def scan_each(
    lines: list[bytes], before: bytes
) -> tuple[list[bytes], list[tuple[int, bytes]], bytes]:
    """Do what `scan` does, line by line."""
    leaves: list[bytes] = []
    suspects: list[tuple[int, bytes]] = []
    for line in lines:
        digest = hashlib.sha256(b"\x00" + line[:-TAIL] + b"}").digest()
        text = hexlify(digest)
        if link(line) != before or line[-TAIL:] != b',"hash":"' + text + b'"}':
            suspects.append((len(leaves), before))
            digest, text = stated(line, digest)
        leaves.append(digest)
        before = text
    return leaves, suspects, before


def stated(line: bytes, own: bytes) -> tuple[bytes, bytes]:
    """Return the hash that a line states, or its own and no text when it states none."""
    try:
        text = split(line + b"\n")[1]
    except MalformedRecordError:
        return own, b""
    return bytes.fromhex(text), text.encode()


def link(line: bytes) -> bytes:
    """Return the `prev_hash` that a line states."""
    at = line.rfind(_LINK)
    return line[at + len(_LINK) : at + len(_LINK) + 64] if at >= 0 else b""

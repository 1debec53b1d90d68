"""The Merkle tree over the records on disk, for signing and proving.

Closed segments enter by the roots in their summaries, so that extending the tree costs at most one
segment of reading. Records that no checkpoint covers yet are checked, hash and link, before a root
over them is given out: nobody should sign what does not hold together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger import segments
from ledger.chain import broken, checked_lines
from ledger.merkle import Frontier

if TYPE_CHECKING:
    from pathlib import Path


def frontier_at(root: Path, size: int) -> Frontier:
    """Return the frontier of the first `size` records, from the hashes that are stored."""
    frontier = Frontier()
    for segment in segments.list_segments(root):
        summary = segments.read_summary(root, segment.first) if segment.closed else None
        if summary is None or segment.first + summary.count > size:
            break
        frontier.push_subtree(bytes.fromhex(summary.root), summary.count.bit_length() - 1)
    for seq, line in segments.iter_lines(root, frontier.size):
        if seq >= size:
            break
        frontier.push(segments.line_hash(line))
    return frontier


def extend(root: Path, frontier: Frontier, size: int) -> None:
    """Extend `frontier` to `size` records, checking the hash and link of each one.

    Raises
    ------
    BrokenChainError
        If a record does not hold, or is not there.
    """
    for _, _, digest in checked_lines(root, frontier.size, size):
        frontier.push(digest)
    if frontier.size != size:
        raise broken(root, frontier.size)

"""The Merkle tree over the records on disk, for signing and proving.

Closed segments enter by the roots in their summaries, so that extending the tree costs at most one
segment of reading. Records that no checkpoint covers yet are checked, hash and link, before a root
over them is given out: nobody should sign what does not hold together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger import segments
from ledger.chain import broken, checked_lines
from ledger.merkle import Frontier, consistency_path, inclusion_path, tree_root
from ledger.record import hash_of_line, link_of_line

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.segments import Summary
    from ledger.tail import Tail


def frontier_at(root: Path, size: int) -> Frontier:
    """Return the frontier of the first `size` records, from the hashes that are stored."""
    frontier = Frontier()
    closed = [each for each in segments.list_segments(root) if each.closed]
    for segment in closed:
        summary = segments.read_summary(root, segment.first)
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


def extend_active(root: Path, frontier: Frontier, known: Tail, end: Tail) -> bool:
    """Extend `frontier` by the records between two ends of the active segment.

    Reads only their bytes, which keeps a checkpoint as cheap after a million records as after ten.

    Returns
    -------
    bool
        False, and `frontier` as it was, if they are not there as they should be: the caller then
        reads the segment from its beginning and says what is wrong.
    """
    if (known.first, known.count) != (end.first, frontier.size):
        return False
    with (root / segments.ACTIVE).open("rb") as stream:
        stream.seek(known.size)
        lines = stream.read(end.size - known.size).split(b"\n")[:-1]
    before, hashes = known.head.encode(), []
    for line in lines:
        digest = hash_of_line(line)
        if not digest or link_of_line(line) != before:
            return False
        before = digest.hex().encode()
        hashes.append(digest)
    if len(hashes) != end.count - known.count:
        return False
    frontier.extend(hashes)
    return True


class DiskTree:
    """Proofs over the first `size` records of a ledger, from the hashes that are stored.

    A proof that is made from altered records does not verify; nothing is checked here.

    Parameters
    ----------
    root : Path
        The folder of the ledger.
    size : int
        The number of records of the tree.
    """

    def __init__(self, root: Path, size: int) -> None:
        self._root = root
        self._size = size
        self._summaries: dict[int, Summary] = {}
        for segment in segments.list_segments(root):
            summary = segments.read_summary(root, segment.first) if segment.closed else None
            if summary is not None:
                self._summaries[summary.first] = summary

    def prove_inclusion(self, index: int) -> list[bytes]:
        """Return the hashes that lead from the record at `index` to the root."""
        return inclusion_path(self.root_of, index, self._size)

    def prove_consistency(self, old_size: int) -> list[bytes]:
        """Return the hashes that show the first `old_size` records to be a prefix."""
        return consistency_path(self.root_of, old_size, self._size)

    def root_of(self, start: int, stop: int) -> bytes:
        """Return the root over the records from `start` up to `stop`."""
        nodes: list[bytes] = []
        at = start
        while (summary := self._summaries.get(at)) and at + summary.count <= stop:
            nodes.append(bytes.fromhex(summary.root))
            at += summary.count
        if not nodes:
            return tree_root(self._leaves(start, stop))
        if at < stop:
            # Smaller than a segment, so it stands apart at every level below the top.
            return self._join(nodes, self._leaves(at, stop))
        return tree_root(nodes)

    def _join(self, nodes: list[bytes], rest: list[bytes]) -> bytes:
        height = next(iter(self._summaries.values())).count.bit_length() - 1
        frontier = Frontier()
        for node in nodes:
            frontier.push_subtree(node, height)
        frontier.extend(rest)
        return frontier.root()

    def _leaves(self, start: int, stop: int) -> list[bytes]:
        leaves = []
        for seq, line in segments.iter_lines(self._root, start):
            if seq >= stop:
                break
            leaves.append(segments.line_hash(line))
        if len(leaves) != stop - start:
            raise broken(self._root, start + len(leaves))
        return leaves

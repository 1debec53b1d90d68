"""The Merkle tree of RFC 6962 over the hashes of the records.

Leaf hashes are 32 bytes; a node is SHA-256(0x01 || left || right); the root of no leaves is
SHA-256 of nothing. The hash of a record is a leaf hash already, so nothing is hashed twice.

Invariants
----------
1. `Frontier` after pushing leaves one by one has the root of `tree_root` of all of them.
2. A proof that `prove_inclusion` or `prove_consistency` makes is accepted by its verifier, and a
   proof with another index, size, hash or length is not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Roots: TypeAlias = Callable[[int, int], bytes]

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(body: bytes) -> bytes:
    """Return the leaf hash of an entry of the tree."""
    return hashlib.sha256(b"\x00" + body).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of the node above `left` and `right`."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def tree_root(leaves: Iterable[bytes]) -> bytes:
    """Return the root of the tree over `leaves`."""
    level = list(leaves)
    if not level:
        return EMPTY_ROOT
    sha256 = hashlib.sha256
    while len(level) > 1:
        odd = level[-1:] if len(level) % 2 else []
        pairs = zip(level[::2], level[1::2], strict=False)
        level = [sha256(b"\x01" + left + right).digest() for left, right in pairs] + odd
    return level[0]


class Frontier:
    """The roots of the perfect subtrees of a growing tree, largest first.

    It is all that is needed to extend the tree: at most one hash for each bit of the size.
    """

    __slots__ = ("nodes", "size")

    def __init__(self) -> None:
        self.size = 0
        self.nodes: list[bytes] = []

    def push(self, leaf: bytes) -> None:
        """Add one leaf."""
        self._push(leaf, 0)

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaves, in order."""
        rest = list(leaves)
        while rest:
            # The largest perfect subtree that may stand here: level by level is the fastest way.
            height = len(rest).bit_length() - 1
            if self.size:
                height = min(height, (self.size & -self.size).bit_length() - 1)
            self._push(tree_root(rest[: 1 << height]), height)
            rest = rest[1 << height :]

    def push_subtree(self, root: bytes, height: int) -> None:
        """Add a perfect subtree of 2**height leaves; the size must be a multiple of that."""
        if self.size % (1 << height):
            message = f"a subtree of height {height} cannot stand at {self.size}"
            raise ValueError(message)
        self._push(root, height)

    def root(self) -> bytes:
        """Return the root of the tree over all leaves so far."""
        if not self.nodes:
            return EMPTY_ROOT
        root = self.nodes[-1]
        for node in self.nodes[-2::-1]:
            root = node_hash(node, root)
        return root

    def joined(self, other: Frontier) -> Frontier:
        """Return the frontier of this tree with `other` after it, which is smaller than any node.

        Without an `other` of its own it is a copy that grows apart from this one.
        """
        both = Frontier()
        both.size, both.nodes = self.size + other.size, self.nodes + other.nodes
        return both

    def _push(self, node: bytes, height: int) -> None:
        size = self.size >> height
        self.size += 1 << height
        while size & 1:
            node = node_hash(self.nodes.pop(), node)
            size >>= 1
        self.nodes.append(node)


def prove_inclusion(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the hashes that lead from leaf `index` to the root, the lowest first."""
    return inclusion_path(_roots_of(leaves), index, len(leaves))


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """Return whether `proof` shows that `leaf` stands at `index` of the tree with `root`."""
    if not 0 <= index < size or not _are_hashes(leaf, root, *proof):
        return False
    node, last, rest = leaf, size - 1, list(proof)
    while last:
        if index % 2 or index < last:
            if not rest:
                return False
            other = rest.pop(0)
            node = node_hash(other, node) if index % 2 else node_hash(node, other)
        index, last = index // 2, last // 2
    return not rest and node == root


def prove_consistency(leaves: Sequence[bytes], old_size: int) -> list[bytes]:
    """Return the hashes that show the tree of the first `old_size` leaves to be a prefix."""
    return consistency_path(_roots_of(leaves), old_size, len(leaves))


def verify_consistency(
    old_size: int, size: int, proof: Sequence[bytes], old_root: bytes, root: bytes
) -> bool:
    """Return whether `proof` shows that the tree with `root` extends the one with `old_root`.

    The empty tree is a prefix of every tree; there is nothing to prove about it, and False is
    returned.
    """
    if not 1 <= old_size <= size:
        return False
    if old_size == size:
        return not proof and old_root == root
    if not _are_hashes(old_root, root, *proof):
        return False
    node, last, rest = old_size - 1, size - 1, list(proof)
    while node % 2:
        node, last = node // 2, last // 2
    if node and not rest:
        return False
    start = rest.pop(0) if node else old_root
    return _climb(start, node, last, rest) == (old_root, root)


def _climb(start: bytes, node: int, last: int, rest: list[bytes]) -> tuple[bytes, bytes] | None:
    """Return both roots from `start`, which stands at `node` of a level ending at `last`."""
    old = new = start
    while last:
        if node % 2 or node < last:
            if not rest:
                return None
            other = rest.pop(0)
            if node % 2:
                old, new = node_hash(other, old), node_hash(other, new)
            else:
                new = node_hash(new, other)
        node, last = node // 2, last // 2
    return None if rest else (old, new)


def _are_hashes(*nodes: bytes) -> bool:
    return all(len(node) == HASH_BYTES for node in nodes)


def inclusion_path(roots: Roots, index: int, size: int) -> list[bytes]:
    """Return the proof of leaf `index` in a tree of `size` leaves, of which `roots` is asked.

    `roots(start, stop)` gives the root over the leaves of that range.
    """
    _require(0 <= index < size, f"no leaf {index} in {size}")
    path: list[bytes] = []
    start, stop = 0, size
    while stop - start > 1:
        half = start + _split(stop - start)
        if index < half:
            path.append(roots(half, stop))
            stop = half
        else:
            path.append(roots(start, half))
            start = half
    return path[::-1]


def consistency_path(roots: Roots, old_size: int, size: int) -> list[bytes]:
    """Return the proof that the first `old_size` of `size` leaves are a prefix."""
    _require(1 <= old_size <= size, f"no prefix of {old_size} in {size}")
    path: list[bytes] = []
    start, stop, complete = 0, size, True
    while old_size != stop:
        half = start + _split(stop - start)
        if old_size <= half:
            path.append(roots(half, stop))
            stop = half
        else:
            path.append(roots(start, half))
            start, complete = half, False
    if not complete:
        path.append(roots(start, stop))
    return path[::-1]


def _roots_of(leaves: Sequence[bytes]) -> Roots:
    return lambda start, stop: tree_root(leaves[start:stop])


def _split(size: int) -> int:
    """Return the largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


def _require(holds: bool, message: str) -> None:  # noqa: FBT001 - reads as an assertion
    if not holds:
        raise ValueError(message)

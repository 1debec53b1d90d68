"""The rule of a log's signer: never sign what does not extend everything signed before.

Two signed checkpoints that no consistency proof joins are proof of guilt, so a signer that is asked
for one refuses. What it signed before it finds in `checkpoints/` of the ledger and, where the key
lies in a file, beside the key: whoever rolls the ledger back does not roll that back with it.

Invariants
----------
1. A signed size has one root, and every later size extends it.
2. The signer's memory is durable before the note is given out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger import checkpoints, durable, tree
from ledger.checkpoint import Checkpoint, read_checkpoint, sign_checkpoint
from ledger.digest import Digest
from ledger.keys import WrongKeyError
from ledger.merkle import Frontier

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.keys import SigningKey
    from ledger.tail import Tail

_MEMORY = ".signed"


class Signer:
    """Signs the ledger in one folder, and keeps the tree between two checkpoints.

    Parameters
    ----------
    root : Path
        The folder of the ledger.
    origin : str
        The name of the ledger, which the key must bear.
    """

    def __init__(self, root: Path, origin: str) -> None:
        self._root = root
        self._origin = origin
        self._frontier = Frontier()
        self._end: Tail | None = None

    def sign(self, end: Tail, keys: tuple[SigningKey, ...]) -> Checkpoint:
        """Return the checkpoint of the records up to `end`, signed by `keys` and kept.

        The caller holds the lock of the ledger.

        Raises
        ------
        InconsistentCheckpointError
            If it would not extend what was signed before.
        BrokenChainError
            If a record that no checkpoint covers yet does not hold.
        """
        size = end.count
        self._check_names(keys)
        newest = checkpoints.read_newest(self._root)
        known = [each for each in (newest, *map(_recall, keys)) if each is not None]
        for old in sorted(known, key=lambda each: each.size):
            self._reach(old, size)
        if known and known[0].size == size:
            if newest is None:
                # The files were lost; the memory beside the key has the note.
                checkpoints.publish(self._root, known[0])
            return known[0]
        last, self._end = self._end, end
        if last is None or not tree.extend_active(self._root, self._frontier, last, end):
            tree.extend(self._root, self._frontier, size)
        root = Digest(self._frontier.root().hex())
        signed = sign_checkpoint(Checkpoint(self._origin, size, root), *keys)
        for key in keys:
            _remember(key, signed)
        checkpoints.publish(self._root, signed)
        return signed

    def _reach(self, old: Checkpoint, size: int) -> None:
        """Bring the tree to `old`, which the ledger must extend."""
        if old.origin != self._origin:
            raise checkpoints.refuse(old, size, f"it is of another origin, {old.origin}")
        if old.size > size:
            raise checkpoints.refuse(old, size, "the ledger is shorter than when it was signed")
        if self._frontier.size != old.size:
            self._frontier = tree.frontier_at(self._root, old.size)
        if self._frontier.root().hex() != old.root:
            raise checkpoints.refuse(old, size, "the records it covers have another root now")

    def _check_names(self, keys: tuple[SigningKey, ...]) -> None:
        for key in keys:
            if key.name != self._origin:
                raise WrongKeyError(
                    what=f"expected a key of {self._origin}, found one of {key.name}",
                    where=str(self._root),
                    why="the name of a log's key is the origin of the log",
                    fix="load the key of this ledger",
                )


def refuse_second_ledger(root: Path, key: SigningKey) -> None:
    """Refuse to begin a ledger with a key that signed one before.

    Raises
    ------
    InconsistentCheckpointError
        If the memory beside the key's file has a checkpoint.
    """
    signed = _recall(key)
    if signed is not None:
        raise checkpoints.InconsistentCheckpointError(
            what=f"refused to begin a ledger: its key signed {signed.size} records, found none",
            where=str(root),
            why="a key signs one history; a new one under the same key is a fork",
            fix="restore the ledger from a copy; for another ledger make another key",
        )


def _recall(key: SigningKey) -> Checkpoint | None:
    """Return what `key` signed last, by the memory beside its file."""
    path = _memory(key)
    return read_checkpoint(path.read_bytes()) if path and path.exists() else None


def _remember(key: SigningKey, signed: Checkpoint) -> None:
    if path := _memory(key):
        durable.replace(path, signed.note, mode=0o600)


def _memory(key: SigningKey) -> Path | None:
    return key.path.with_name(key.path.name + _MEMORY) if key.path else None

"""The newest checkpoint that a verifier has accepted, kept on the verifier's side.

Whoever rolls a ledger back rolls back all that lies in its folder; this file does not. It must lie
in no cache that is cleaned: cleaning it erases the memory.

Invariants
----------
1. The file only moves forward: to a checkpoint that extends the one in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger import durable
from ledger.checkpoint import read_checkpoint
from ledger.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.checkpoint import Checkpoint


class OtherLedgerError(ConfigError):
    """The remembered checkpoint is of another ledger."""

    code = "E0136"


def read_last_seen(path: Path, origin: str) -> Checkpoint | None:
    """Return the checkpoint in the file, or None when nothing was seen yet.

    Raises
    ------
    ConfigError
        If it is of another ledger.
    MalformedNoteError
        If the file is no checkpoint.
    """
    if not path.exists():
        return None
    seen = read_checkpoint(path.read_bytes())
    if seen.origin != origin:
        raise OtherLedgerError(
            what=f"expected the last seen checkpoint of {origin}, found one of {seen.origin}",
            where=str(path),
            why="each ledger is remembered in a file of its own",
            fix="name the file of this ledger",
        )
    return seen


def write_last_seen(path: Path, checkpoint: Checkpoint) -> None:
    """Remember a checkpoint that was accepted."""
    durable.make_folder(path.parent)
    durable.replace(path, checkpoint.note)

"""The checkpoints of a ledger on disk, and the rule of its signer.

`checkpoints/<size>` holds every note that was signed, `checkpoint` the newest. A signer never signs
what is not an extension of what it signed before.

Invariants
----------
1. A checkpoint is durable under its size before it becomes the newest.
2. There is one root for a size.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ledger import durable
from ledger.checkpoint import read_checkpoint
from ledger.errors import IntegrityError

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.checkpoint import Checkpoint

_NAME = re.compile(r"[0-9]{12}", re.ASCII)


class InconsistentCheckpointError(IntegrityError):
    """Signing would contradict a checkpoint that was signed before."""

    code = "E0105"


def list_sizes(root: Path) -> list[int]:
    """Return the sizes for which a checkpoint is kept, ascending."""
    folder = root / "checkpoints"
    names = [each.name for each in folder.iterdir()] if folder.is_dir() else []
    return sorted(int(name) for name in names if _NAME.fullmatch(name))


def read_kept(root: Path, size: int) -> Checkpoint:
    """Return the checkpoint kept for `size`, no signature checked."""
    return read_checkpoint((root / "checkpoints" / f"{size:012d}").read_bytes())


def read_newest(root: Path) -> Checkpoint | None:
    """Return the newest checkpoint, no signature checked, or None if nothing was ever signed."""
    path = root / "checkpoint"
    newest = read_checkpoint(path.read_bytes()) if path.exists() else None
    sizes = list_sizes(root)
    if sizes and (newest is None or newest.size < sizes[-1]):
        # A crash between the two writes, or somebody put an older one back.
        newest = read_kept(root, sizes[-1])
    return newest


def publish(root: Path, checkpoint: Checkpoint) -> None:
    """Keep a signed checkpoint and make it the newest."""
    durable.make_folder(root / "checkpoints")
    durable.replace(root / "checkpoints" / f"{checkpoint.size:012d}", checkpoint.note, mode=0o444)
    durable.replace(root / "checkpoint", checkpoint.note)


def refuse(old: Checkpoint, size: int, why: str) -> InconsistentCheckpointError:
    """Return the error of a signer that is asked to contradict `old`."""
    return InconsistentCheckpointError(
        what=f"refused to sign a checkpoint of {size} records",
        where=f"checkpoint of {old.size} records, root {old.root}",
        why=why,
        fix="run `python -m ledger verify`; the ledger was cut or rewritten after it was signed",
    )

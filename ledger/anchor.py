"""Anchors: the newest checkpoint in a place that the writer of the ledger does not control.

::

    anchors/<size>.git    the annotated tag that holds the checkpoint
    anchors/<size>.tsr    the answer of a time stamping authority about its three lines

The files are copies for whoever verifies. An `anchor` record states kind, size, root and the
SHA-256 of the file: what follows that record is later than the anchor.

Life of an anchor: sign a checkpoint; get the token; keep the file; append the record. A crash
before the last step leaves a token without record, and the same call again appends it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger import checkpoints, durable, gittag, timestamp
from ledger.anchored import FOLDER
from ledger.batch import Receipt
from ledger.digest import sha256
from ledger.record import Draft

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ledger.checkpoint import Checkpoint
    from ledger.log import Log
    from ledger.record import Record


def anchor_in_git(log: Log, repository: Path, *, remote: str = "", actor: str = "") -> Receipt:
    """Keep the newest checkpoint in a tag and record it; return where that is recorded.

    Parameters
    ----------
    log : Log
        The ledger; its newest checkpoint is anchored as it is.
    repository : Path
        A Git repository.
    remote : str
        Where the tag is pushed to, if anywhere.
    actor : str
        Who does it.

    Raises
    ------
    AnchorError
        If there is no checkpoint, or git refuses.
    """
    checkpoint = _newest(log)
    path = _path(log, checkpoint, "git")
    token = gittag.tag_checkpoint(repository, checkpoint, remote=remote)
    kept = _keep(path, lambda: token)
    return _record(log, checkpoint, path, {"kind": "git", "sha256": sha256(kept)}, actor)


def anchor_at_tsa(
    log: Log, url: str, authority: bytes, *, seconds: float = timestamp.SECONDS, actor: str = ""
) -> Receipt:
    """Have the newest checkpoint time-stamped and record it; return where that is recorded.

    Parameters
    ----------
    log : Log
        The ledger; its newest checkpoint is anchored as it is.
    url : str
        The address of the authority.
    authority : bytes
        Its certificates in PEM: a token that nobody can check is not kept.
    seconds : float
        How long to wait for the answer.
    actor : str
        Who does it.

    Raises
    ------
    AnchorError
        If there is no checkpoint.
    TimestampError, WrongTimestampError
        If the authority gives no time stamp of this checkpoint.
    """
    checkpoint = _newest(log)
    path = _path(log, checkpoint, "tsr")
    text = checkpoint.text.encode()

    def fetch() -> bytes:
        if recorded := _find(log, checkpoint, "tsa"):
            raise _lost(path, recorded)
        token = timestamp.fetch_token(url, text, seconds=seconds)
        timestamp.check_token(token, text, authority, where=url)
        return token

    token = _keep(path, fetch)
    moment = timestamp.check_token(token, text, authority, where=str(path))
    time = f"{moment:%Y-%m-%dT%H:%M:%SZ}"
    stated = {"kind": "tsa", "time": time, "sha256": sha256(token)}
    return _record(log, checkpoint, path, stated, actor)


def _newest(log: Log) -> Checkpoint:
    newest = checkpoints.read_newest(log.path)
    if newest is None:
        raise gittag.AnchorError(
            what="no checkpoint",
            where=str(log.path),
            why="what is anchored is a checkpoint that the log has signed",
            fix="sign one with `python -m ledger checkpoint DIR --sign KEY`",
        )
    return newest


def _path(log: Log, checkpoint: Checkpoint, suffix: str) -> Path:
    return log.path / FOLDER / f"{checkpoint.size:012d}.{suffix}"


def _keep(path: Path, fetch: Callable[[], bytes]) -> bytes:
    """Return the token in the file; fetch and keep it if there is none."""
    if not path.exists():
        durable.make_folder(path.parent)
        durable.create(path, fetch())
    return path.read_bytes()


def _record(
    log: Log, checkpoint: Checkpoint, path: Path, stated: dict[str, str], actor: str
) -> Receipt:
    data = {
        **stated,
        "size": checkpoint.size,
        "root": checkpoint.root,
        "file": f"{FOLDER}/{path.name}",
    }
    if recorded := _find(log, checkpoint, stated["kind"]):
        return Receipt(recorded.seq, recorded.hash, recorded.id)
    id_ = _id(checkpoint, stated["kind"])
    draft = Draft(type="anchor", run_id="", step="anchor", id=id_, actor=actor, data=data)
    return log.append([draft])[0]


def _find(log: Log, checkpoint: Checkpoint, kind: str) -> Record | None:
    """Return the record about this anchor, which stands above its checkpoint."""
    wanted = ("anchor", _id(checkpoint, kind))
    records = log.read(checkpoint.size)
    return next((each for each in records if (each.type, each.id) == wanted), None)


def _id(checkpoint: Checkpoint, kind: str) -> str:
    return f"anchor/{kind}/{checkpoint.size}"


def _lost(path: Path, recorded: Record) -> gittag.AnchorError:
    return gittag.AnchorError(
        what=f"the token of record {recorded.seq} is not here any more",
        where=str(path),
        why="the record states its SHA-256, and another time stamp has another",
        fix="restore the file from a copy; or sign another checkpoint and anchor that",
    )

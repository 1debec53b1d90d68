"""`anchor git`, `anchor tsa`, `checkpoint --heartbeat`: checkpoints hard to take back."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from flows.errors import UsageError
from flows.keyring import load_cosigners, load_key
from flows.settings import now
from ledger import Log
from ledger.anchor import anchor_at_tsa, anchor_in_git
from ledger.anchored import read_authority
from ledger.heartbeat import beat, keep_beating

if TYPE_CHECKING:
    from pathlib import Path

    from flows.output import Output
    from flows.settings import Settings, Workspace
    from ledger import Checkpoint, Receipt, SigningKey


def anchor_git(settings: Settings, output: Output, repository: Path, *, push: str) -> int:
    """Sign a checkpoint and keep it in an annotated tag of a Git repository."""
    workspace = settings.find_workspace()
    log, key = _open(workspace)
    with log:
        checkpoint = _sign(log, key)
        where = settings.cwd / repository
        receipt = anchor_in_git(log, where, remote=push, actor=settings.actor)
        return _done(output, log, checkpoint, receipt, f"tag ledger/{checkpoint.size} in {where}")


def anchor_tsa(
    settings: Settings, output: Output, url: str, *, authority: Path, timeout: float
) -> int:
    """Sign a checkpoint and have a time stamping authority sign when it existed."""
    workspace = settings.find_workspace()
    certificates = read_authority(settings.cwd / authority)
    log, key = _open(workspace)
    with log:
        checkpoint = _sign(log, key)
        receipt = anchor_at_tsa(log, url, certificates, seconds=timeout, actor=settings.actor)
        return _done(output, log, checkpoint, receipt, f"time stamp of {url}")


def _open(workspace: Workspace) -> tuple[Log, SigningKey]:
    from flows.session import open_ledger  # noqa: PLC0415 - imports replay

    return open_ledger(workspace)


def _sign(log: Log, key: SigningKey) -> Checkpoint:
    """Return the newest checkpoint; sign another one if records other than anchors came since."""
    from ledger.checkpoints import read_newest  # noqa: PLC0415 - used here alone

    newest = read_newest(log.path)
    size = newest.size if newest else 0
    if newest and all(record.type == "anchor" for record in log.read(size)):
        return newest
    return log.checkpoint(key)


def _done(output: Output, log: Log, checkpoint: Checkpoint, receipt: Receipt, where: str) -> int:
    head = log.head()
    text = f"{checkpoint.size} records anchored: {where}\nrecorded  {receipt.seq} {receipt.hash}"
    data = {"size": checkpoint.size, "root": checkpoint.root, "seq": receipt.seq, "where": where}
    return output.done(text, data, head=(head.hash, head.count))


def heartbeat(settings: Settings, output: Output, *, every: float, once: bool) -> int:
    """Sign a checkpoint now and every so many seconds, until Ctrl-C or SIGTERM."""
    from flows.local_server import stop_on_signals  # noqa: PLC0415 - used here alone

    if not 0 < every < inf:
        raise UsageError(
            f"a heartbeat every {every:g} s",
            where="--every",
            why="beats are apart by some time",
            fix="give seconds above zero, or --once",
        )
    workspace = settings.find_workspace()
    log, _ = _open(workspace)
    sizes = []

    def tell(checkpoint: Checkpoint) -> None:
        sizes.append(checkpoint.size)
        output.note(f"{checkpoint.size} {checkpoint.root}")

    with log, stop_on_signals() as stop:
        beats = keep_beating(
            log,
            lambda: [load_key(workspace)],
            every=0 if once else every,
            wait=lambda seconds: once or stop.wait(seconds),
            tell=tell,
            actor=settings.actor,
        )
        head = log.head()
    data = {"beats": beats, "size": sizes[-1]}
    return output.done(f"{beats} heartbeats", data, head=(head.hash, head.count))


def beat_once(workspace: Workspace, every: float, actor: str) -> Checkpoint:
    """Beat in a ledger that is not open here; `flow serve` calls it between its looks."""
    cosigners = load_cosigners(workspace)
    with Log.open(workspace.ledger, clock=now, wait_seconds=10, cosigners=cosigners) as log:
        return beat(log, [load_key(workspace)], every=every, actor=actor)

"""A checkpoint on a fixed cadence, also when nothing happened.

A log that seals only what is new leaves a quiet period without a seal: whoever cuts off the records
before it, and goes on as if there had been none, is not noticed (CVE-2023-31438 of journald). So
each beat appends a `note` record with step `heartbeat` and signs a checkpoint over it. A period in
which nothing was recorded still has its note, and a missing beat is a gap between two notes that
a query over their `ts` shows; `data` states the cadence that was promised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ledger import checkpoints
from ledger.record import Draft

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ledger.checkpoint import Checkpoint
    from ledger.keys import SigningKey
    from ledger.log import Log

STEP: Final = "heartbeat"
SECONDS: Final = 60.0


def beat(log: Log, keys: Sequence[SigningKey], *, every: float, actor: str = "") -> Checkpoint:
    """Append the note of a heartbeat and sign a checkpoint over it.

    Parameters
    ----------
    log : Log
        The ledger.
    keys : sequence of SigningKey
        They sign, the log's own first.
    every : float
        Seconds until the next beat, as promised; 0 for a single one.
    actor : str
        Who keeps it going.
    """
    newest = checkpoints.read_newest(log.path)
    covered = newest.size if newest else 0
    data = {"every_seconds": every, "records": max(log.head().count - covered, 0)}
    log.append([Draft(type="note", run_id="", step=STEP, id="", actor=actor, data=data)])
    first, *more = keys
    return log.checkpoint(first, *more)


def keep_beating(
    log: Log,
    load_keys: Callable[[], Sequence[SigningKey]],
    *,
    every: float,
    wait: Callable[[float], bool],
    tell: Callable[[Checkpoint], None],
    actor: str = "",
) -> int:
    """Beat until `wait` says to stop; return how many times.

    Parameters
    ----------
    log : Log
        The ledger.
    load_keys : Callable[[], sequence of SigningKey]
        Called before each beat, so that a rotated key is taken up.
    every : float
        Seconds between two beats.
    wait : Callable[[float], bool]
        Waits so many seconds; returns whether to stop, as `threading.Event.wait` does.
    tell : Callable[[Checkpoint], None]
        Called with each checkpoint.
    actor : str
        Who keeps it going.
    """
    beats = 0
    while True:
        tell(beat(log, load_keys(), every=every, actor=actor))
        beats += 1
        if wait(every):
            return beats

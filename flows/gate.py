"""The gate in front of a live run: what must be agreed to before anything is computed.

===========  =======================================================================
`tree`       the checkout has no uncommitted changes
`halt`       no halt is in force
`manifest`   a second person approved the digest of the resolved manifest
`lock`       the same of `uv.lock`
`code`       the same of the git commit
===========  =======================================================================

A second person is an enrolled one whose name is not that of the actor: `alice@example.org` does not
open a gate for `alice@host`. The names are claims, the signatures are not.

Every verdict is recorded when the run opens, and a run that was refused is recorded too. What
happens between the verdict and the opening record counts: the gate is judged again behind it.

Invariants
----------
1. Nothing that was recorded after the opening of a run opens its gate; a halt recorded before the
   second judgement closes it.
2. A halt cannot be overridden, and an override by the actor opens nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from flows.errors import FlowError
from ledger import LedgerError, read_approvals, read_records, same_person, write_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from pathlib import Path

    from ledger import Approvals
    from pipeline.values import Payload

ORDER = ("tree", "halt", "manifest", "lock", "code")
_NEVER = 1 << 62


class LiveGateClosedError(FlowError):
    """A live run was refused: a dirty tree, a halt, or something that no second person approved."""

    code = "E0411"
    exit_code = 5


@dataclass(frozen=True, slots=True)
class Candidate:
    """A live run that wants to start.

    Attributes
    ----------
    actor : str
        `user@host` who starts it.
    is_dirty : bool
        Whether its checkout has uncommitted changes.
    digests : mapping of str to str
        What it stands on: `manifest`, `lock` and `code`.
    """

    actor: str
    is_dirty: bool
    digests: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one gate said.

    Attributes
    ----------
    gate : str
        One of `ORDER`.
    status : {"passed", "failed", "overridden"}
        What became of it.
    seq : int or None
        The record that says so: an approval, an override, or the halt that closes the gate.
    by : str or None
        Who signed it, or claims to have recorded a halt.
    until : str or None
        When an override ends.
    why : str
        What closes the gate; not recorded.
    fix : str
        What opens it; not recorded.
    """

    gate: str
    status: Literal["passed", "failed", "overridden"]
    seq: int | None = None
    by: str | None = None
    until: str | None = None
    why: str = ""
    fix: str = ""

    def to_payload(self) -> Payload:
        """Return the member of `data.gates` of a run record."""
        return {
            "gate": self.gate,
            "status": self.status,
            "seq": self.seq,
            "by": self.by,
            "until": self.until,
        }


def judge(
    approvals: Approvals, run: Candidate, ts: str, *, before: int = _NEVER
) -> tuple[Verdict, ...]:
    """Return the verdict of every gate, in order.

    Parameters
    ----------
    approvals : Approvals
        What people stated.
    run : Candidate
        The run that wants to start.
    ts : str
        The time by which overrides are judged, as records write it.
    before : int
        Approvals and overrides recorded at this seq or later do not count.
    """
    closed = {
        "tree": _judge_tree(run),
        "halt": _judge_halt(approvals),
        **{
            kind: _judge_digest(approvals, run, kind, before)
            for kind in ("manifest", "lock", "code")
        },
    }
    for override in approvals.overrides_at(ts):
        verdict = closed[override.gate]
        if verdict.status == "passed" or same_person(override.by, run.actor):
            continue
        if override.seq < before:
            closed[override.gate] = Verdict(
                override.gate, "overridden", override.seq, override.by, override.until
            )
    return tuple(closed[gate] for gate in ORDER)


def _judge_tree(run: Candidate) -> Verdict:
    if not run.is_dirty:
        return Verdict("tree", "passed")
    return Verdict(
        "tree",
        "failed",
        why="the working tree has uncommitted changes, and a commit does not describe them",
        fix="commit or stash the changes, or `assay override tree --until TIME --reason TEXT`",
    )


def _judge_halt(approvals: Approvals) -> Verdict:
    if not approvals.halts:
        return Verdict("halt", "passed")
    newest = approvals.halts[-1]
    return Verdict(
        "halt",
        "failed",
        newest.seq,
        newest.by,
        why=f"{newest.by} halted at {newest.ts}: {newest.reason}",
        fix="`assay resume --reason TEXT` by an enrolled person",
    )


def _judge_digest(approvals: Approvals, run: Candidate, kind: str, before: int) -> Verdict:
    digest = run.digests[kind]
    given = [each for each in approvals.approved(kind, digest) if each.seq < before]
    for approval in given:
        if not same_person(approval.by, run.actor):
            return Verdict(kind, "passed", approval.seq, approval.by)
    found = f"only {given[0].by}, who starts the run," if given else "nobody"
    return Verdict(
        kind,
        "failed",
        why=f"{found} approved the {kind} {digest}",
        fix=f"`assay approve {kind} --digest {digest}` by an enrolled person other than "
        f"{run.actor.partition('@')[0]}",
    )


def refuse_closed(verdicts: Iterable[Verdict], run: Candidate) -> None:
    """Raise `LiveGateClosedError`, naming every closed gate and what opens it."""
    closed = [verdict for verdict in verdicts if verdict.status == "failed"]
    if closed:
        raise LiveGateClosedError(
            f"the live gate is closed: {', '.join(verdict.gate for verdict in closed)}",
            where=f"run of {run.actor}",
            why="\n".join(f"{verdict.gate}: {verdict.why}" for verdict in closed),
            fix="\n".join(f"{verdict.gate}: {verdict.fix}" for verdict in closed),
        )


def judge_now(ledger: Path, run: Candidate, now: datetime) -> tuple[Verdict, ...]:
    """Return the verdicts for a run that is about to open."""
    return judge(read_approvals(ledger), run, write_time(now))


def refuse_opened(ledger: Path, run: Candidate, verdicts: Iterable[Verdict], opening: int) -> None:
    """Refuse a run whose gate was closed when it was judged, or closed until it had opened.

    Parameters
    ----------
    ledger : Path
        Folder of the ledger.
    run : Candidate
        The run.
    verdicts : iterable of Verdict
        What its opening record states.
    opening : int
        Seq of that record.

    Raises
    ------
    LiveGateClosedError
        Naming every closed gate.
    """
    refuse_closed(verdicts, run)
    ts = next(iter(read_records(ledger, opening, opening + 1))).ts
    refuse_closed(judge(read_approvals(ledger), run, ts, before=opening), run)


def warnings_of_halts(ledger: Path) -> list[str]:
    """Return a sentence for each halt in force: research goes on, but says so."""
    try:
        halts = read_approvals(ledger).halts
    except LedgerError as error:
        return [f"whether a halt is in force cannot be read: {error.what}"]
    return [
        f"a halt is in force since {halt.ts} (record {halt.seq}, {halt.by}): {halt.reason}"
        for halt in halts
    ]

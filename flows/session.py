"""One run from opening to closing record, whatever happens in between."""

from __future__ import annotations

import contextlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from flows.errors import BreachError, Explained, FlowError, WorkspaceError
from flows.gate import Candidate, judge_now, refuse_opened
from flows.keyring import load_cosigners, load_key, trusted
from flows.recorder import Recorder
from flows.settings import KEY_FILE, now
from ledger import LedgerError, Log, dumps, sha256, verify
from replay.environment import capture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flows.manifest import Resolved
    from flows.runner import Runner
    from flows.settings import Settings, Workspace
    from ledger import Digest, SigningKey
    from pipeline.values import Payload
    from replay.environment import Environment

LOCK_WAIT_SECONDS = 10.0


class KeyNotValidError(FlowError):
    """The key in the workspace is not one that the ledger names as valid."""

    code = "E0415"


@dataclass(slots=True)
class Session:
    """What every step of a run needs.

    Attributes
    ----------
    settings, workspace : Settings, Workspace
        Where we are.
    resolved : Resolved
        The run profile.
    recorder : Recorder
        Records the run.
    runner : Runner
        Calls the work of the steps.
    progress : callable
        `progress(stage, done, total)`.
    jobs : int
        Processes that decide side by side.
    """

    settings: Settings
    workspace: Workspace
    resolved: Resolved
    recorder: Recorder
    runner: Runner
    progress: Callable[[str, int, int], None]
    jobs: int = 1


def open_ledger(workspace: Workspace) -> tuple[Log, SigningKey]:
    """Open the ledger of a workspace and load its key.

    Raises
    ------
    WorkspaceError
        If the workspace was not initialised.
    LedgerError
        If the ledger is locked, or the key is missing or readable by others.
    """
    if not (workspace.ledger / "lock").exists():
        raise WorkspaceError(
            "the workspace has no ledger",
            where=str(workspace.root),
            why="a run without a record is not allowed",
            fix="run `assay init` in the folder above",
        )
    key = load_key(workspace)
    refuse_altered(workspace, key)
    log = Log.open(
        workspace.ledger,
        clock=now,
        wait_seconds=LOCK_WAIT_SECONDS,
        cosigners=load_cosigners(workspace),
    )
    return log, key


def refuse_altered(workspace: Workspace, key: SigningKey) -> None:
    """Refuse to build on, or sign, a ledger that does not verify; a torn tail is recovered.

    Raises
    ------
    BreachError
        With the first finding.
    KeyNotValidError
        If the ledger holds, but not under this key.
    """
    found = verify(workspace.ledger, level="fast", keys=trusted(workspace) or (key.verify_key,))
    worst = [finding for finding in found.findings if finding.kind != "torn"]
    if worst:
        place = "" if worst[0].seq is None else f", record {worst[0].seq}"
        raise BreachError(
            f"the ledger does not verify: {worst[0].kind}, {worst[0].message}",
            where=f"{workspace.ledger}{place}",
            why="a new record or checkpoint would vouch for what was altered",
            fix="run `assay verify` for all findings; restore the ledger from a copy that agrees "
            "with a checkpoint",
        )
    if key.verify_key.text not in found.keys:
        raise KeyNotValidError(
            f"the key {key.verify_key.text} may not sign any more, or never might",
            where=str(workspace.keys / KEY_FILE),
            why="the ledger names the keys of its checkpoints; this one is not among them",
            fix="put the key back that `assay keys list` calls valid",
        )


@contextmanager
def recording(
    settings: Settings,
    *,
    kind: str,
    name: str,
    manifest: Payload | None = None,
    live: bool = False,
    seed: int = 0,
    details: Payload | None = None,
) -> Iterator[Recorder]:
    """Open a run, yield its recorder, and close the run with the status it ended with.

    Parameters
    ----------
    settings : Settings
        Where we are.
    kind : str
        What the run does.
    name : str
        Name of the profile or the command.
    manifest : payload, optional
        The resolved manifest.
    live : bool
        Refuse what no second person agreed to (`flows.gate`).
    seed : int
        Seed of the run.
    details : payload, optional
        What the opening record says beyond that.

    Raises
    ------
    LiveGateClosedError
        If `live` and a gate is closed; the refused run is recorded before.
    """
    workspace = settings.find_workspace()
    environment = capture()
    document = None if manifest is None else dumps(manifest)
    digest = None if document is None else sha256(document)
    candidate = _candidate(settings, environment, digest) if live else None
    log, key = open_ledger(workspace)
    with log:
        verdicts = judge_now(workspace.ledger, candidate, now()) if candidate else ()
        recorder = Recorder.open(
            workspace,
            log,
            key,
            name=name,
            actor=settings.actor,
            clock=now,
            data={
                "kind": kind,
                "profile": name,
                "sleeves": list(sorted(cast("Payload", manifest["sleeves"])) if manifest else ()),
                "manifest_sha256": digest,
                "seed": seed,
                "environment": environment.to_payload(),
                **(details or {}),
                **({"gates": [verdict.to_payload() for verdict in verdicts]} if candidate else {}),
            },
            inputs={
                **environment.documents,
                **({} if document is None else {"manifest": document}),
            },
        )
        with closing(recorder):
            if candidate:
                opening = recorder.counts.first_seq
                refuse_opened(workspace.ledger, candidate, verdicts, opening)
            yield recorder


@contextmanager
def closing(recorder: Recorder) -> Iterator[None]:
    """Close the run with the status that the block ends with."""
    try:
        yield
    except BaseException as error:
        # Where the ledger itself failed the run stays open; the next one closes it as aborted.
        with contextlib.suppress(LedgerError):
            recorder.abort_pending("the run was stopped")
            recorder.close("failed", error if isinstance(error, Explained) else None)
        raise
    recorder.close("ok")


def _candidate(settings: Settings, environment: Environment, manifest: Digest | None) -> Candidate:
    """Return what the gate judges of a live run."""
    if manifest is None:
        message = "a live run has a manifest"
        raise ValueError(message)
    digests = {
        "manifest": manifest,
        "lock": environment.lock_sha256,
        "code": environment.commit,
    }
    return Candidate(settings.actor, environment.dirty, digests)


@contextmanager
def open_session(
    settings: Settings,
    resolved: Resolved,
    runner: Runner,
    *,
    kind: str,
    progress: Callable[[str, int, int], None] = lambda _stage, _done, _total: None,
    jobs: int = 1,
    details: Payload | None = None,
) -> Iterator[Session]:
    """Open the run of a profile and yield its session."""
    profile = resolved.profile
    with recording(
        settings,
        kind=kind,
        name=resolved.name,
        manifest=resolved.to_payload(),
        live=profile.mode == "live",
        seed=profile.seed,
        details=details,
    ) as recorder:
        recorder.observed.update(runner.opened(recorder.run_id))
        yield Session(settings, recorder.workspace, resolved, recorder, runner, progress, jobs)

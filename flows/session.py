"""One run from opening to closing record, whatever happens in between."""

from __future__ import annotations

import contextlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from flows.errors import BreachError, DirtyTreeError, Explained, WorkspaceError
from flows.recorder import Recorder
from flows.settings import KEY_FILE, now
from ledger import LedgerError, Log, SigningKey, dumps, sha256, verify
from replay.environment import capture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flows.manifest import Resolved
    from flows.runner import Runner
    from flows.settings import Settings, Workspace
    from pipeline.values import Payload

LOCK_WAIT_SECONDS = 10.0


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
    """

    settings: Settings
    workspace: Workspace
    resolved: Resolved
    recorder: Recorder
    runner: Runner
    progress: Callable[[str, int, int], None]


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
    key = SigningKey.load(workspace.keys / KEY_FILE)
    refuse_altered(workspace, key)
    return Log.open(workspace.ledger, clock=now, wait_seconds=LOCK_WAIT_SECONDS), key


def refuse_altered(workspace: Workspace, key: SigningKey) -> None:
    """Refuse to build on, or sign, a ledger that does not verify; a torn tail is recovered.

    Raises
    ------
    BreachError
        With the first finding.
    """
    found = verify(workspace.ledger, level="fast", keys=(key.verify_key,))
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


@contextmanager
def recording(
    settings: Settings,
    *,
    kind: str,
    name: str,
    manifest: Payload | None = None,
    live: bool = False,
    seed: int = 0,
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
        Refuse a dirty tree.
    seed : int
        Seed of the run.

    Raises
    ------
    DirtyTreeError
        If `live` and the checkout has uncommitted changes.
    """
    workspace = settings.find_workspace()
    environment = capture()
    if live and environment.dirty:
        raise DirtyTreeError(
            "a live run needs a clean working tree, found uncommitted changes",
            where=environment.root,
            why="a commit does not describe a dirty tree",
            fix="commit or stash the changes, or run a profile in research mode",
        )
    document = None if manifest is None else dumps(manifest)
    log, key = open_ledger(workspace)
    with log:
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
                "manifest_sha256": None if document is None else sha256(document),
                "seed": seed,
                "environment": environment.to_payload(),
            },
            inputs={
                **environment.documents,
                **({} if document is None else {"manifest": document}),
            },
        )
        try:
            yield recorder
        except BaseException as error:
            # Where the ledger itself failed the run stays open; the next one closes it as aborted.
            with contextlib.suppress(LedgerError):
                recorder.abort_pending("the run was stopped")
                recorder.close("failed", error if isinstance(error, Explained) else None)
            raise
        recorder.close("ok")


@contextmanager
def open_session(
    settings: Settings,
    resolved: Resolved,
    runner: Runner,
    *,
    kind: str,
    progress: Callable[[str, int, int], None] = lambda _stage, _done, _total: None,
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
    ) as recorder:
        recorder.observed.update(runner.opened(recorder.run_id))
        yield Session(settings, recorder.workspace, resolved, recorder, runner, progress)

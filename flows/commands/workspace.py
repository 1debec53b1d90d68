"""`init`, `status`, `doctor`, `version`: the workspace itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.errors import WorkspaceError
from flows.keyring import COSIGNER_FILE, COSIGNER_PUBLIC, load_cosigners, load_key, save_new
from flows.settings import FOLDER, KEY_FILE, Workspace, now
from ledger import Log, SigningKey, read_approvals, read_records, verify
from ledger.keys import MLDSA

if TYPE_CHECKING:
    from pathlib import Path

    from flows.output import Output
    from flows.settings import Settings

SETTINGS_FILE = "assay.toml"


def create_workspace(folder: Path, origin: str, *, post_quantum: bool = False) -> Workspace:
    """Make a workspace in `folder`: key, ledger with genesis record, first checkpoint.

    Parameters
    ----------
    folder : Path
        The folder above it.
    origin : str
        Name of the ledger.
    post_quantum : bool
        Make a second key, ML-DSA-44, that signs every checkpoint too.

    Raises
    ------
    WorkspaceError
        If there is one already.
    """
    workspace = Workspace(folder / FOLDER)
    begun = (workspace.ledger / "audit.jsonl").exists()
    if begun and (workspace.keys / f"{KEY_FILE}.signed").exists():
        raise WorkspaceError(
            "there is a workspace already",
            where=str(workspace.root),
            why="a ledger is never overwritten",
            fix="use it, or choose another folder with `assay -C DIR init`",
        )
    workspace.root.mkdir(parents=True, exist_ok=True)
    workspace.keys.mkdir(mode=0o700, exist_ok=True)
    key_path = workspace.keys / KEY_FILE
    if not key_path.exists():
        save_new(SigningKey.generate(origin), key_path)
    cosigner_path = workspace.keys / COSIGNER_FILE
    if post_quantum and not begun and not cosigner_path.exists():
        save_new(SigningKey.generate(origin, algorithm=MLDSA), cosigner_path)
    # Loaded from its file, the key remembers beside it what it signs.
    key, cosigners = load_key(workspace), load_cosigners(workspace)
    for each in cosigners:
        each.verify_key.save(workspace.keys / COSIGNER_PUBLIC)
    key.verify_key.save(workspace.keys / "log.pub")
    (workspace.root / ".gitignore").write_text("*\n", encoding="utf-8")
    if begun:
        # An `init` that was stopped before its first checkpoint.
        with Log.open(workspace.ledger, clock=now, cosigners=cosigners) as log:
            log.checkpoint(key)
    else:
        cosigner = cosigners[0] if cosigners else None
        Log.create(workspace.ledger, origin=key.name, key=key, clock=now, cosigner=cosigner).close()
    for path in (workspace.blobs, workspace.runs, workspace.reports):
        path.mkdir(exist_ok=True)
    return workspace


def default_origin(folder: Path) -> str:
    """Return an origin for a ledger in `folder`: a name without spaces or plus signs."""
    name = "".join(c if c.isalnum() or c in "-_." else "-" for c in folder.name.lower()) or "root"
    return f"assay.local/{name}"


def init(
    settings: Settings, output: Output, origin: str | None, *, post_quantum: bool = False
) -> int:
    """Make a workspace in the current folder."""
    workspace = create_workspace(
        settings.cwd, origin or default_origin(settings.cwd), post_quantum=post_quantum
    )
    key = (workspace.keys / "log.pub").read_text(encoding="utf-8").strip()
    public = workspace.keys / COSIGNER_PUBLIC
    cosigners = [public.read_text(encoding="utf-8").strip()] if public.exists() else []
    text = (
        f"workspace {workspace.root}\n"
        f"key       {key}\n"
        + "".join(f"second    {workspace.keys / COSIGNER_PUBLIC}, ML-DSA-44\n" for _ in cosigners)
        + "Give this line to whoever verifies: it is what checkpoints are checked against.\n"
        "next      assay run --profile sp500"
    )
    data = {"workspace": str(workspace.root), "key": key, "cosigners": cosigners}
    return output.done(text, data)


def status(settings: Settings, output: Output) -> int:
    """Show head, open runs, open intents, last runs and warehouse in one screen."""
    from flows.recorder import open_intents, running  # noqa: PLC0415

    workspace = settings.find_workspace()
    report = verify(workspace.ledger, level="fast")
    records = list(read_records(workspace.ledger)) if report.ok else []
    runs = [r for r in records if r.type == "run" and r.id == f"{r.run_id}/open"]
    opened = {r.id for r in runs}
    ends = [r for r in records if r.type == "run" and r.id not in opened]
    closed = {r.run_id: "erased" if r.redacted else r.status for r in ends}
    alive = running(workspace)
    orphans = open_intents(r for r in records if r.run_id not in alive)
    snapshot = workspace.warehouse / "snapshot.duckdb"
    halts = read_approvals(workspace.ledger).halts if report.ok else ()
    data = {
        "ok": report.ok,
        "count": report.count,
        "head": report.head,
        "trust": report.trust,
        "checkpoint_size": None if report.checkpoint is None else report.checkpoint.size,
        "halts": [
            {"seq": h.seq, "by": h.by, "ts": h.ts, "hash": h.hash, "reason": h.reason}
            for h in halts
        ],
        "open_intents": [
            {"id": id_, "step": r.step, "seq": r.seq} for id_, r in sorted(orphans.items())
        ],
        "runs": [
            {
                "run_id": r.run_id,
                "kind": None if r.redacted else r.data["kind"],
                "profile": None if r.redacted else r.data["profile"],
                "opened_at": r.ts,
                "status": closed.get(r.run_id, "running" if r.run_id in alive else "dead"),
            }
            for r in runs[-10:]
        ],
        "warehouse": str(snapshot.resolve().name) if snapshot.exists() else None,
    }
    return output.done(
        _status_text(data), data, code=_status_code(data), head=(report.head, report.count)
    )


def _status_code(data: dict[str, object]) -> int:
    if not data["ok"]:
        return 3
    runs = data["runs"]
    assert isinstance(runs, list)  # noqa: S101
    dead = any(entry["status"] == "dead" for entry in runs)
    return 1 if data["open_intents"] or data["halts"] or dead else 0


def _status_text(data: dict[str, object]) -> str:
    chain = "PASS" if data["ok"] else "FAIL: run `assay verify`"
    orphans = data["open_intents"]
    assert isinstance(orphans, list)  # noqa: S101
    lines = [
        f"chain      {chain} ({data['trust']}), {data['count']} records, head {data['head']}",
        f"checkpoint {data['checkpoint_size'] or 'none'}",
        f"warehouse  {data['warehouse'] or 'none: run `assay build`'}",
        f"open       {len(orphans)} intents without outcome",
    ]
    lines += [f"           {entry['id']}" for entry in orphans[:5]]
    if orphans:
        lines.append("           their process is gone; the next run records them as aborted")
    halts, runs = data["halts"], data["runs"]
    assert isinstance(halts, list)  # noqa: S101
    assert isinstance(runs, list)  # noqa: S101
    lines += [f"HALT       {h['ts']} by {h['by']}, record {h['seq']}: {h['reason']}" for h in halts]
    lines += ["           no live run starts; `assay resume` lifts it"] if halts else []
    lines.append("last runs")
    nothing = "  none" if data["ok"] else "  not read: the ledger does not verify"
    lines += [f"  {r['run_id']:<40} {r['kind'] or 'erased':<12} {r['status']}" for r in runs] or [
        nothing
    ]
    return "\n".join(lines)


def show_version(output: Output) -> int:
    """Show the versions of assay and Python, and the commit."""
    from importlib.metadata import version as installed  # noqa: PLC0415

    from replay.environment import capture  # noqa: PLC0415

    environment = capture()
    data = {"assay": installed("assay"), **environment.to_payload()}
    dirty = " with uncommitted changes" if environment.dirty else ""
    text = (
        f"assay {installed('assay')}, commit {environment.commit[:12]}{dirty}, "
        f"Python {environment.python}, lock {environment.lock_sha256[:12]}"
    )
    return output.done(text, data)

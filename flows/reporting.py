"""Writes the report of a run: verifies the ledger, reads the snapshot, renders one HTML file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flows.errors import WorkspaceError
from ledger import VerifyKey, verify

if TYPE_CHECKING:
    from pathlib import Path

    from flows.settings import Settings
    from ledger import Report


@dataclass(frozen=True, slots=True)
class Written:
    """A report on disk.

    Attributes
    ----------
    path : Path
        The HTML file.
    sha256 : str
        Digest of its bytes; the same head gives the same digest.
    size : int
        Bytes.
    verified : bool
        Whether the ledger verified; the page says so too.
    """

    path: Path
    sha256: str
    size: int
    verified: bool


def write_report(settings: Settings, *, run_id: str | None, out: Path | None) -> Written:
    """Render the report of a run and write it.

    Raises
    ------
    WorkspaceError
        If the warehouse was not built.
    """
    from warehouse.reports import held_checkpoint, render  # noqa: PLC0415 - duckdb and jinja2

    workspace = settings.find_workspace()
    snapshot = workspace.warehouse / "snapshot.duckdb"
    if not snapshot.exists():
        raise WorkspaceError(
            "there is no snapshot of the warehouse",
            where=str(workspace.warehouse),
            why="a report reads the published snapshot",
            fix="run `assay build` first",
        )
    key = VerifyKey.load(workspace.keys / "log.pub")
    found = verify(workspace.ledger, level="fast", keys=(key,))
    content = render(
        snapshot,
        run_id=run_id,
        checkpoint_lines=held_checkpoint(snapshot),
        key_id=key.key_id.hex(),
        origin=key.name,
        verification=_verdicts(found),
    )
    path = out or workspace.reports / _name(content)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return Written(path, hashlib.sha256(content).hexdigest(), len(content), found.ok)


def _verdicts(found: Report) -> dict[str, str]:
    """Return what the verifier found, for the strip at the top of the report.

    Without counts: the ledger may grow while the snapshot, and so the report, stays the same.
    """
    if found.ok:
        return {"chain": f"PASS: every record verified, {found.trust}"}
    first = found.findings[0]
    return {"chain": f"FAIL: {first.kind} at record {first.seq}: {first.message}"}


def _name(content: bytes) -> str:
    return f"report-{hashlib.sha256(content).hexdigest()[:12]}.html"

"""`export`: evidence that leaves the workspace.

The order: the zip is durable, then a note in the ledger says who took what, then a
checkpoint is signed over the note. A crash in between leaves a zip that no record names; exporting
again with `--force` replaces it. There is never a record without its zip.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from flows.errors import UsageError
from flows.session import open_ledger
from ledger import Draft
from ledger.bundle import write_bundle
from replay import standalone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flows.output import Output
    from flows.settings import Settings
    from ledger.bundle import Bundle


def export(
    settings: Settings,
    output: Output,
    *,
    out: Path,
    as_of: str | None,
    blobs: Sequence[str],
    force: bool,
) -> int:
    """Write the evidence bundle and record that it was taken."""
    workspace = settings.find_workspace()
    _check_date(as_of)
    folder = (settings.cwd / out).parent
    if not folder.is_dir():
        raise UsageError(
            "no such folder",
            where=str(folder),
            why="the bundle is written there",
            fix="make the folder, or name another with --out",
        )
    log, key = open_ledger(workspace)
    with log:
        bundle = write_bundle(
            workspace.ledger,
            settings.cwd / out,
            as_of=as_of,
            blobs=workspace.blobs,
            choice=blobs,
            force=force,
            extra={"verify-weight.py": Path(standalone.__file__).read_bytes()},
        )
        (receipt,) = log.append([_note(bundle, as_of, blobs, settings.actor)])
        log.checkpoint(key)
        head = log.head()
    data = {**_payload(bundle, as_of, blobs), "path": str(bundle.path), "seq": receipt.seq}
    return output.done(_text(bundle, receipt.seq), data, head=(head.hash, head.count))


def _check_date(text: str | None) -> None:
    if text is None:
        return
    try:
        found = date.fromisoformat(text).isoformat()
    except ValueError:
        found = ""
    if found != text:
        raise UsageError(
            f"expected a date as 2026-01-31, found {text!r}",
            where="assay export --as-of",
            why="the ledger is cut at the last checkpoint of a day, in UTC",
            fix="write year, month and day",
        )


def _payload(bundle: Bundle, as_of: str | None, blobs: Sequence[str]) -> dict[str, object]:
    """Return what is recorded of an export (`docs/spec/records.md`, `export`)."""
    return {
        "as_of": as_of,
        "size": bundle.checkpoint.size,
        "root": bundle.checkpoint.root,
        "sha256": bundle.sha256,
        "bytes": bundle.size,
        "choice": list(blobs),
        "blobs": bundle.blobs,
        "erased": bundle.erased,
        "out": bundle.path.name,
    }


def _note(bundle: Bundle, as_of: str | None, blobs: Sequence[str], actor: str) -> Draft:
    # Without an id: taking the same evidence twice is recorded twice.
    data = _payload(bundle, as_of, blobs)
    return Draft(type="note", run_id="", step="export", id="", actor=actor, data=data)


def _text(bundle: Bundle, seq: int) -> str:
    erased = f", {bundle.erased} erased under a redaction" if bundle.erased else ""
    return "\n".join(
        [
            f"{bundle.path}",
            f"  sha256      {bundle.sha256}, {bundle.size} bytes",
            f"  records     {bundle.checkpoint.size}, the last of {bundle.until}",
            f"  blobs       {bundle.blobs}{erased}",
            f"  recorded    as record {seq}",
            "  checkpoint",
            *(f"    {line}" for line in bundle.checkpoint.text.splitlines()),
        ]
    )

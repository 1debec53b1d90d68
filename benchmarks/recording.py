"""What recording costs: the demo's walk-forward, with the time spent in the ledger beside it.

Run it as `.venv/bin/python -m benchmarks.recording`; it makes a workspace in a temporary folder.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from flows.commands.runs import resolve_profile
from flows.commands.workspace import create_workspace
from flows.output import table
from flows.runner import PlainRunner
from flows.runs import execute
from flows.settings import Settings, prepare_process


def main(profile: str = "demo") -> None:
    """Run a profile once and print where its time went."""
    prepare_process()
    with tempfile.TemporaryDirectory() as folder:
        workspace = create_workspace(Path(folder), "assay.local/benchmark")
        settings = Settings(cwd=Path(folder), overrides={}, actor="benchmark")
        resolved = resolve_profile(settings, None, profile)
        wall, processor = time.perf_counter(), time.process_time()
        summary = execute(settings, resolved, PlainRunner(), kind="backtest")
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        size = (workspace.ledger / "audit.jsonl").stat().st_size
    recording = summary.recording_seconds
    rows = [
        ("profile", profile),
        ("decisions", summary.intents),
        ("ledger, MB", size / 1e6),
        ("run, s", wall),
        ("run, processor s", processor),
        ("recording, s", recording),
        ("recording / run", recording / wall),
        ("records per s of recording", 2 * summary.intents / recording),
    ]
    print(table(("what", "value"), rows))


if __name__ == "__main__":
    main(*sys.argv[1:])

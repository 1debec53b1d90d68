"""The demo: the whole path on bundled prices, ending with what to try next."""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from flows.audit import choose, load_history, replay
from flows.build_warehouse import build_warehouse
from flows.commands.runs import run_with, summary_data, summary_text
from flows.output import Progress
from flows.reporting import write_report
from flows.settings import available_cores
from ledger import VerifyKey, verify

if TYPE_CHECKING:
    from flows.manifest import Resolved
    from flows.output import Output
    from flows.settings import Settings

SAMPLE_DECISIONS = 200


def demonstrate(settings: Settings, output: Output, resolved: Resolved, *, runner: str) -> int:
    """Run, replay a sample, build, verify, report; return the exit code."""
    workspace = settings.find_workspace()
    started = time.monotonic()
    output.note(f"1/4  walk-forward of {resolved.name}: {resolved.profile.description}")
    jobs = available_cores() if runner == "plain" else 1
    summary = run_with(
        settings, output, resolved, stage="backtest", as_of=None, runner=runner, jobs=jobs
    )
    output.note(f"2/4  replay of {SAMPLE_DECISIONS} decisions in a fresh process")
    ids = choose(load_history(workspace), sample=SAMPLE_DECISIONS)
    with Progress(output) as progress:
        verdicts = Counter(found.verdict for found in replay(settings, ids, progress))
    output.note("3/4  warehouse: load, models, tests, snapshot")
    built = build_warehouse(settings)
    output.note("4/4  verification and report")
    key = VerifyKey.load(workspace.keys / "log.pub")
    verified = verify(workspace.ledger, blobs=workspace.blobs, keys=(key,))
    written = write_report(settings, run_id=summary.run_id, out=None)
    replayed = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
    seconds = time.monotonic() - started
    recording = f"{summary.recording_seconds:.1f} s"
    command = f"{_shown(Path(sys.argv[0]))} -C {_shown(settings.cwd)}"
    chain = "PASS" if verified.ok else "FAIL"
    text = "\n".join(
        (
            summary_text(summary),
            "",
            f"decisions  {summary.intents} recorded in {recording} of {seconds:.0f} s",
            f"head       {verified.head} ({verified.count} records)",
            f"chain      {chain}, trust: {verified.trust}",
            f"replay     {replayed}",
            f"warehouse  {len(built.marts)} marts, {len(built.findings)} findings",
            f"report     {written.path}",
            "",
            "next",
            f"  {command} verify",
            f"  {command} ask 3",
            f"  {command} replay --last",
        )
    )
    data = {
        **summary_data(summary),
        "replay": dict(verdicts),
        "trust": verified.trust,
        "report": str(written.path),
        "report_sha256": written.sha256,
    }
    code = 0 if verified.ok else 3
    if code == 0 and set(verdicts) != {"exact"}:
        code = 4
    return output.done(text, data, code=code, head=(verified.head, verified.count))


def _shown(path: Path) -> str:
    """Return a path as one would type it from here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)

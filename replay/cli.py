"""`python -m replay`: replay decisions in this process, one JSON line for each.

Started by `assay replay` as a fresh process; usable alone on any ledger and blob folder. Nothing is
recorded here: the caller records.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ledger import BlobStore, LedgerError, read_records, verify
from replay.comparison import Comparison
from replay.environment import capture
from replay.errors import ReplayError
from replay.history import History

if TYPE_CHECKING:
    from collections.abc import Sequence

MISMATCH = 4
"""Exit code when a decision did not replay; frozen in `docs/cli.md`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay the decisions named on standard input, or all; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return _replay(options.ledger, options.blobs, all_decisions=options.all)
    except (ReplayError, LedgerError) as error:
        print(f"error[{error.code}]: {error.what}", file=sys.stderr)  # noqa: T201
        return error.exit_code


def _replay(ledger: Path, blobs: Path, *, all_decisions: bool) -> int:
    # Imported late: `--help` does not pay for the solvers.
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    from replay.reconstruct import Replayer  # noqa: PLC0415

    sound = verify(ledger, level="fast").ok
    history = History(read_records(ledger), BlobStore(blobs))
    ids = history.decisions() if all_decisions else [line.strip() for line in sys.stdin]
    worst = 0
    with threadpool_limits(limits=1):
        replayer = Replayer(history, capture().to_payload())
        for id_ in ids:
            comparison = replayer.replay(id_) if sound else Comparison(id_, "chain_broken")
            worst = worst if comparison.verdict == "exact" else MISMATCH
            print(json.dumps(comparison.to_payload()), flush=True)  # noqa: T201
    return worst


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m replay",
        description="Replay recorded decisions; one JSON line each, exit 4 on any difference.",
    )
    parser.add_argument("--ledger", type=Path, required=True, help="folder with audit.jsonl")
    parser.add_argument("--blobs", type=Path, required=True, help="folder of the blob store")
    parser.add_argument("--all", action="store_true", help="replay every decision")
    return parser

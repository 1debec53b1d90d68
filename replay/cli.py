"""`python -m replay`: replay or certify decisions in this process, one JSON line for each.

Started by `assay replay` and `assay certify` as a fresh process; usable alone on any ledger and
blob folder. Nothing is recorded here: the caller records. `certify` needs numpy and no solver.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ledger import BlobStore, LedgerError, read_records, verify
from pipeline.records import STEPS
from replay.comparison import BREACHES, Comparison
from replay.environment import capture
from replay.errors import ReplayError
from replay.history import History

if TYPE_CHECKING:
    from collections.abc import Sequence

INTEGRITY = 3
"""Exit code when the ledger does not verify, or an input is not the one that was recorded."""
MISMATCH = 4
"""Exit code when a decision did not replay, or a certificate does not hold; see `docs/cli.md`."""
ABSENT = 1
"""Exit code when a decision carries no certificate."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay or certify the decisions named on standard input, or all; return the exit code."""
    options = _parser().parse_args(arguments)
    work = _certify if options.task == "certify" else _replay
    try:
        return work(options.ledger, options.blobs, all_decisions=options.all)
    except (ReplayError, LedgerError) as error:
        print(f"error[{error.code}]: {error.what}", file=sys.stderr)  # noqa: T201
        return error.exit_code


def _replay(ledger: Path, blobs: Path, *, all_decisions: bool) -> int:
    # Imported late: `--help` does not pay for the solvers.
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    from replay.reconstruct import Replayer  # noqa: PLC0415

    sound = verify(ledger, level="fast").ok
    history = History(read_records(ledger), BlobStore(blobs))
    ids = _decided(history) if all_decisions else [line.strip() for line in sys.stdin]
    verdicts: set[str] = set()
    with threadpool_limits(limits=1):
        replayer = Replayer(history, capture().to_payload())
        for id_ in ids:
            comparison = replayer.replay(id_) if sound else Comparison(id_, "chain_broken")
            verdicts.add(comparison.verdict)
            print(json.dumps(comparison.to_payload()), flush=True)  # noqa: T201
    return INTEGRITY if verdicts & BREACHES else MISMATCH if verdicts - {"exact"} else 0


def _decided(history: History) -> list[str]:
    """Return every decision that was taken; what was not is counted on standard error."""
    steps = [id_ for id_ in history.decisions() if id_.split("/")[1] in STEPS]
    ids = [id_ for id_ in steps if history.was_decided(id_)]
    if left := len(steps) - len(ids):
        print(f"{left} were never decided and are left out", file=sys.stderr)  # noqa: T201
    return ids


def _certify(ledger: Path, blobs: Path, *, all_decisions: bool) -> int:
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    from replay.certification import REFUSED, Certification, Certifier, certifiable  # noqa: PLC0415

    sound = verify(ledger, level="fast").ok
    history = History(read_records(ledger), BlobStore(blobs))
    named = history.decisions() if all_decisions else [line.strip() for line in sys.stdin]
    verdicts: set[str] = set()
    with threadpool_limits(limits=1):
        certifier = Certifier(history)
        for id_ in certifiable(history, named):
            found = certifier.certify(id_) if sound else Certification(id_, "", "chain_broken")
            verdicts.add(found.verdict)
            print(json.dumps(found.to_payload()), flush=True)  # noqa: T201
    if verdicts & BREACHES:
        return INTEGRITY
    return MISMATCH if verdicts & set(REFUSED) else ABSENT if "absent" in verdicts else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m replay",
        description="Replay recorded decisions, or confirm the certificates of their weights; one "
        "JSON line each, exit 3 on altered evidence, 4 on any difference, 1 where a certificate "
        "is missing.",
    )
    parser.add_argument("task", nargs="?", choices=("replay", "certify"), default="replay")
    parser.add_argument("--ledger", type=Path, required=True, help="folder with audit.jsonl")
    parser.add_argument("--blobs", type=Path, required=True, help="folder of the blob store")
    parser.add_argument("--all", action="store_true", help="every decision")
    return parser

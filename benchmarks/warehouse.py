"""Speed of the warehouse on a large ledger: `python -m benchmarks.warehouse WORKSPACE`.

The ledger is made of real decisions: the records of the newest backtest of a workspace (such as the
one that `assay demo` leaves) are appended again and again under other run ids, through the ledger's
own writer, with the blobs they name. Then: a build from nothing, a build of one more run, and every
question of the auditor on the result.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from flows.output import table
from flows.settings import now
from ledger import BlobStore, Draft, Log, SigningKey, read_records
from warehouse.build import build
from warehouse.questions import QUESTIONS, ask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger import Record

ORIGIN = "example.org/benchmark"
BATCH = 1000
ADDED = 10_000
"""Records of the incremental build, at most one run."""


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workspace", type=Path, help="a workspace (`.assay`) with a backtest")
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where the large ledger is made")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        rows = measure(options.workspace, Path(folder) / ".assay", options.records)
    print(table(("what", "value"), rows))


def measure(source: Path, target: Path, records: int) -> list[tuple[str, object]]:
    """Return what was measured on a ledger of at least `records` records."""
    (target / "blobs").parent.mkdir(parents=True)
    (target / "blobs").symlink_to((source / "blobs").resolve())
    originals = newest_backtest(source)
    check_blobs(source, originals)
    started = time.perf_counter()
    key = SigningKey.generate(ORIGIN)
    with Log.create(target / "ledger", origin=ORIGIN, key=key, clock=now) as log:
        copies = -(-records // len(originals))
        for number in range(copies):
            append_copy(log, originals, number)
        log.checkpoint(key)
        count = log.head().count
        rows: list[tuple[str, object]] = [
            ("records", count),
            ("ledger, MB", _size(target / "ledger") / 1e6),
            ("ledger written, s", time.perf_counter() - started),
        ]
        full = build(target)
        rows += [("build from nothing, s", full.seconds), ("marts", len(full.marts))]
        append_copy(log, originals[:ADDED], copies)
        log.checkpoint(key)
    more = build(target)
    rows += [
        (f"build of {more.loaded.added} more records, s", more.seconds),
        ("snapshot, MB", more.snapshot.stat().st_size / 1e6),
        ("most memory of a process, MB", _memory()),
    ]
    return rows + measure_questions(target)


def measure_questions(workspace: Path) -> list[tuple[str, object]]:
    """Return the time of every question, the slowest first, and their median."""
    seconds = {
        question.number: ask(workspace, question.number, seconds=120).result.elapsed
        for question in QUESTIONS
    }
    slowest = sorted(seconds.items(), key=lambda item: (-item[1], item[0]))
    rows: list[tuple[str, object]] = [("questions, median s", statistics.median(seconds.values()))]
    return rows + [(f"question {number}, s", taken) for number, taken in slowest]


def newest_backtest(source: Path) -> list[Record]:
    """Return the records of the newest backtest of a workspace."""
    runs: dict[str, list[Record]] = {}
    newest = ""
    for record in read_records(source / "ledger"):
        if record.type == "run" and record.data.get("kind") == "backtest":
            newest = record.run_id
        if record.run_id:
            runs.setdefault(record.run_id, []).append(record)
    if not newest:
        sys.exit(f"{source} has no backtest: make one with `assay demo`")
    return runs[newest]


def append_copy(log: Log, originals: list[Record], number: int) -> None:
    """Append the records once more as another run."""
    batch: list[Draft] = []
    for draft in copies_of(originals, number):
        batch.append(draft)
        if len(batch) == BATCH:
            log.append(batch)
            batch = []
    log.append(batch)


def copies_of(originals: list[Record], number: int) -> Iterator[Draft]:
    """Yield the drafts of a run that decides what another decided, under its own id."""
    before = originals[0].run_id
    after = f"{before}-{number:04d}"
    for record in originals:
        data = json.loads(json.dumps(record.data).replace(before, after))
        yield Draft(
            type=record.type, run_id=after, step=record.step, status=record.status,
            id=record.id.replace(before, after), actor=record.actor,
            inputs=record.inputs, outputs=record.outputs, data=data,
        )  # fmt: skip


def check_blobs(workspace: Path, originals: list[Record]) -> None:
    """Stop if a blob that a record names is not there: the build would not be that of real data."""
    store = BlobStore(workspace / "blobs")
    named = {d for r in originals for d in (*r.inputs.values(), *r.outputs.values())}
    if missing := sorted(digest for digest in named if not store.has(digest)):
        sys.exit(f"blob {missing[0]} is missing")


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("audit*.jsonl*"))


def _memory() -> float:
    both = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(who).ru_maxrss for who in both) / 1000


if __name__ == "__main__":
    main()

"""Speed of the ledger, as ratios within one run: `python -m benchmarks.ledger [--records N]`.

The disk decides the absolute numbers and varies from minute to minute, so each durable measurement
is interleaved with the raw system calls it is compared with.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ledger import Draft, Log, SigningKey, read_records, verify

if TYPE_CHECKING:
    from collections.abc import Callable

ORIGIN = "example.org/benchmark"
ROUNDS = 25
SINGLES = 40
Row: TypeAlias = tuple[str, str, str, str]


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="on the disk that is to be measured")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        rows = [*measure_appending(Path(folder)), *measure_reading(Path(folder), options.records)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        print(
            "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        )


def measure_appending(folder: Path) -> list[Row]:
    """Return single and batched appends against the raw system calls."""
    log = make_log(folder / "append")
    raw = os.open(folder / "raw", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    single: list[float] = []
    plain: list[float] = []
    batch: list[float] = []
    for number in range(ROUNDS):
        names = [f"single/{number}/{each}" for each in range(SINGLES)]
        single.append(seconds(partial(append_each, log, names)) / SINGLES)
        plain.append(seconds(partial(write_each, raw, SINGLES)) / SINGLES)
        drafts = [note(f"batch/{number}/{each}") for each in range(1000)]
        batch.append(seconds(partial(log.append, drafts)) / 1000)
    log.close()
    os.close(raw)
    one, bare, many = map(statistics.median, (single, plain, batch))
    return [
        ("measurement", "per second", "ratio", "wanted"),
        ("raw write + fdatasync, 300 B", f"{1 / bare:,.0f}", "", ""),
        ("append 1, durable", f"{1 / one:,.0f}", f"{bare / one:.2f} x raw", ">= 0.60"),
        ("append 1000, durable", f"{1 / many:,.0f}", f"{one / many:.1f} x single", ">= 20"),
    ]


def measure_reading(folder: Path, records: int) -> list[Row]:
    """Return checkpoint, verification, reading and opening of a ledger of so many records."""
    root = folder / "read"
    log = make_log(root)
    filling = seconds(lambda: fill(log, records))
    signing = seconds(lambda: log.checkpoint(key()))
    log.append([note("after")])
    again = seconds(lambda: log.checkpoint(key()))
    log.close()
    opening = min(seconds(lambda: Log.open(root, clock=clock).close()) for _ in range(5))
    fast = seconds(lambda: verify(root, level="fast"))
    part = min(records, 100_000)
    strict = seconds(lambda: verify(root, since=records - part))
    reading = seconds(lambda: sum(1 for _ in read_records(root, records - part)))
    (root / "cache" / "ids").unlink()
    log = Log.open(root, clock=clock)
    rebuilding = seconds(lambda: log.append([note("rebuilt")]))
    log.close()
    return [
        (f"fill, 1000 a call, {records:,}", f"{records / filling:,.0f}", "", ""),
        ("verify --fast", f"{records / fast:,.0f}", "", ">= 400,000"),
        (f"verify --since {records - part}", f"{part / strict:,.0f}", "", ""),
        ("read_records", f"{part / reading:,.0f}", "", ""),
        ("open", "", f"{opening * 1000:.2f} ms", "< 5 ms"),
        ("checkpoint, first", "", f"{signing * 1000:.1f} ms", ""),
        ("checkpoint, one record later", "", f"{again * 1000:.2f} ms", ""),
        ("ids built again", f"{records / rebuilding:,.0f}", f"{rebuilding:.2f} s", ""),
    ]


def make_log(root: Path) -> Log:
    """Make an empty ledger."""
    return Log.create(root, origin=ORIGIN, key=key(), clock=clock)


def key() -> SigningKey:
    """Return the signing key of the benchmark."""
    return SigningKey(ORIGIN, bytes(32))


def clock() -> datetime:
    """Return the time."""
    return datetime.now(UTC)  # noqa: TID251 - what is measured includes the clock


def note(name: str) -> Draft:
    """Return a draft that becomes a line of about 300 bytes."""
    data = {"gamma": 0.5, "lookback": 252, "universe": "core"}
    return Draft(type="note", run_id="run-a", step="select", id=f"run-a/{name}", data=data)


def fill(log: Log, records: int) -> None:
    """Append so many records in calls of a thousand."""
    for start in range(0, records, 1000):
        log.append([note(f"fill/{start + each}") for each in range(min(1000, records - start))])


def append_each(log: Log, names: list[str]) -> None:
    """Append notes one by one, each durable before the next."""
    for name in names:
        log.append([note(name)])


def write_each(descriptor: int, count: int) -> None:
    """Do what every durable append must do: one write, one sync."""
    line = b"x" * 299 + b"\n"
    for _ in range(count):
        os.write(descriptor, line)
        os.fdatasync(descriptor)


def seconds(work: Callable[[], object]) -> float:
    """Return how long `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()

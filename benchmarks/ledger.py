"""Speed of the ledger, as ratios within one run: `python -m benchmarks.ledger [--records N]`.

The disk decides the absolute numbers and varies from minute to minute. So each durable measurement
is interleaved with the raw system calls that it is compared with, and with a hash chain in SQLite
(WAL, synchronous=FULL); medians are compared, and where the raw calls were unsteady the whole is
measured again and the steadiest of the attempts is shown. Files are read once before they are
verified, so that the page cache is warm. Processor time is what verification is measured by: a
neighbour on the machine makes it wait, not work.

pymerkle, a Merkle tree in SQLite, is compared where it is installed; it is no dependency.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import os
import re
import sqlite3
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ledger import Draft, Log, SigningKey, read_records, verify

if TYPE_CHECKING:
    from collections.abc import Callable

ORIGIN = "example.org/benchmark"
SPECIFICATION = Path(__file__).parents[1] / "docs" / "spec" / "ledger-format.md"
ROUNDS = 25
SINGLES = 40
BATCH = 1000
ATTEMPTS = 3
STEADY = 0.25
"""Half the distance between the quartiles of the raw calls, as a part of their median."""
LINE = b"x" * 299 + b"\n"
Row: TypeAlias = tuple[str, str, str, str]


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="on the disk that is to be measured")
    options = parser.parse_args()
    rows: list[Row] = [("measurement", "per second", "ratio", "wanted")]
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        rows += measure_appending(Path(folder))
        rows += measure_processor(Path(folder))
        rows += measure_reading(Path(folder), options.records)
        rows += measure_pymerkle(Path(folder))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        print(
            "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        )


@dataclass
class Series:
    """Seconds per record of each way to append, one number for each round."""

    taken: dict[str, list[float]] = field(default_factory=dict)

    def time(self, name: str, work: Callable[[], object], records: int) -> None:
        """Add a measurement."""
        self.taken.setdefault(name, []).append(seconds(work) / records)

    def median(self, name: str) -> float:
        """Return the median of a way."""
        return statistics.median(self.taken[name])

    @property
    def unsteadiness(self) -> float:
        """Return how far the raw calls were apart."""
        low, middle, high = statistics.quantiles(self.taken["raw"], n=4)
        return (high - low) / 2 / middle


def measure_appending(folder: Path) -> list[Row]:
    """Return single and batched appends against the raw system calls and SQLite."""
    attempts: list[Series] = []
    for attempt in range(ATTEMPTS):
        attempts.append(append_in_turns(folder / f"append-{attempt}"))
        if attempts[-1].unsteadiness < STEADY:
            break
    best = min(attempts, key=lambda each: each.unsteadiness)
    raw, block, one, many, row, rows = map(
        best.median, ("raw", "raw block", "one", "many", "sqlite one", "sqlite many")
    )
    return [
        (
            "raw write + fdatasync, 300 B",
            f"{1 / raw:,.0f}",
            f"+-{best.unsteadiness:.0%}, attempt {attempts.index(best) + 1} of {len(attempts)}",
            "",
        ),
        ("raw write + fdatasync, 300 KB", f"{1 / block:,.0f}", "", ""),
        ("append 1, durable", f"{1 / one:,.0f}", f"{raw / one:.2f} x raw", ">= 0.60"),
        ("append 1000, durable", f"{1 / many:,.0f}", f"{one / many:.1f} x single", ">= 20"),
        ("", "", f"{block / many:.2f} x raw", ">= 80,000"),
        ("SQLite chain, 1, durable", f"{1 / row:,.0f}", f"ours {row / one:.2f} x", ""),
        ("SQLite chain, 1000, durable", f"{1 / rows:,.0f}", f"ours {rows / many:.2f} x", ""),
    ]


def append_in_turns(folder: Path) -> Series:
    """Append to the raw file, the ledger and SQLite in turns, one after the other."""
    folder.mkdir()
    log, table = make_log(folder / "ledger"), SqliteChain(folder / "chain.db")
    raw = os.open(folder / "raw", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    series = Series()
    for number in range(-1, ROUNDS):
        # The first round is for the caches and is thrown away.
        turn = series if number >= 0 else Series()
        names = [f"single/{number}/{each}" for each in range(SINGLES)]
        drafts = [note(f"batch/{number}/{each}") for each in range(BATCH)]
        turn.time("raw", partial(write_each, raw, LINE, SINGLES), SINGLES)
        turn.time("one", partial(append_each, log, names), SINGLES)
        turn.time("sqlite one", partial(table.append_each, SINGLES), SINGLES)
        turn.time("raw block", partial(write_each, raw, LINE * BATCH, 1), BATCH)
        turn.time("many", partial(log.append, drafts), BATCH)
        turn.time("sqlite many", partial(table.append, BATCH), BATCH)
    log.close()
    table.close()
    os.close(raw)
    return series


class SqliteChain:
    """A hash chain of lines of 300 bytes in a table: what one would write without a ledger."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("pragma journal_mode = wal")
        self._connection.execute("pragma synchronous = full")
        self._connection.execute("create table chain (seq integer primary key, line, hash)")
        self._seq, self._head = 0, b""

    def append(self, count: int) -> None:
        """Append lines in one transaction."""
        rows = []
        for _ in range(count):
            line = b'{"data":"%b","prev_hash":"%b"}' % (LINE[:-70], self._head)
            self._head = hashlib.sha256(line).hexdigest().encode()
            rows.append((self._seq, line, self._head))
            self._seq += 1
        self._connection.execute("begin")
        self._connection.executemany("insert into chain values (?, ?, ?)", rows)
        self._connection.execute("commit")

    def append_each(self, count: int) -> None:
        """Append lines in a transaction each."""
        for _ in range(count):
            self.append(1)

    def verify(self) -> None:
        """Check hash and link of every line."""
        before = b""
        for line, digest in self._connection.execute("select line, hash from chain order by seq"):
            found = hashlib.sha256(line).hexdigest().encode()
            if found != digest or (line[-66:-2] != before and before):
                raise ValueError(line)
            before = digest

    def close(self) -> None:
        """Let the file go."""
        self._connection.close()


def measure_processor(folder: Path) -> list[Row]:
    """Return the processor time of an append, system calls included, waiting for the disk not."""
    log = make_log(folder / "processor")
    numbers = iter(range(1_000_000))

    def one() -> None:
        append_each(log, [f"one/{next(numbers)}" for _ in range(SINGLES)])

    def many() -> None:
        log.append([note(f"many/{next(numbers)}") for _ in range(BATCH)])

    single, batch = quickest(one, 10) / SINGLES, quickest(many, 10) / BATCH
    log.close()
    return [
        ("append 1, processor time", f"{1 / single:,.0f}", f"{single * 1e6:.0f} us each", ""),
        ("append 1000, processor time", f"{1 / batch:,.0f}", f"{batch * 1e6:.1f} us each", ""),
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
    warm(root)
    fast = quickest(lambda: verify(root, level="fast"))
    part = min(records, 100_000)
    strict = quickest(lambda: verify(root, since=records - part))
    reading = quickest(lambda: sum(1 for _ in read_records(root, records - part)))
    chain, whole_root = measure_sql(root)
    sqlite = measure_sqlite(folder / "verify.db", part)
    (root / "cache" / "ids").unlink()
    log = Log.open(root, clock=clock)
    rebuilding = seconds(lambda: log.append([note("rebuilt")]))
    log.close()
    return [
        (f"fill, 1000 a call, {records:,}", f"{records / filling:,.0f}", "", ""),
        ("verify --fast, one core", f"{records / fast:,.0f}", "", ">= 400,000"),
        ("verify, strict, one core", f"{part / strict:,.0f}", f"of the last {part:,}", ""),
        ("read_records, one core", f"{part / reading:,.0f}", "", ""),
        ("DuckDB, hashes and links", f"{records / chain:,.0f}", "all cores", ">= 450,000"),
        ("DuckDB, root", f"{records / whole_root:,.0f}", "all cores", ""),
        (
            "SQLite chain, links and hashes",
            f"{part / sqlite:,.0f}",
            f"ours, with tree and root, {sqlite / part * records / fast:.2f} x",
            "",
        ),
        ("open", "", f"{opening * 1000:.2f} ms", "< 5 ms"),
        ("checkpoint, first", "", f"{signing * 1000:.1f} ms", ""),
        ("checkpoint, one record later", "", f"{again * 1000:.2f} ms", ""),
        ("ids built again", f"{records / rebuilding:,.0f}", f"{rebuilding:.2f} s", ""),
    ]


def measure_sql(root: Path) -> tuple[float, float]:
    """Return seconds for the statements of the specification: hashes and links, and the root."""
    import duckdb  # noqa: PLC0415 - the rest needs the ledger only

    text = re.findall(r"```sql\n(.*?)```", SPECIFICATION.read_text(encoding="utf-8"), re.DOTALL)[0]
    script = text.replace("'ledger/", f"'{root}/")
    macro, lines, _, tree, *_ = [each for each in script.split(";") if each.strip()]
    with duckdb.connect() as connection:
        connection.execute(macro)
        chain = min(seconds(lambda: connection.execute(lines).fetchall()) for _ in range(2))
        return chain, seconds(lambda: connection.execute(tree).fetchall())


def measure_sqlite(path: Path, records: int) -> float:
    """Return seconds of processor time to verify a chain of so many lines."""
    table = SqliteChain(path)
    table.append(records)
    taken = quickest(table.verify)
    table.close()
    return taken


def measure_pymerkle(folder: Path) -> list[Row]:
    """Return appends to a Merkle tree in SQLite, if the library is there."""
    try:
        pymerkle: Any = importlib.import_module("pymerkle")
    except ModuleNotFoundError as error:
        return [("pymerkle", "", f"left out: {error}", "")]
    tree = pymerkle.SqliteTree(str(folder / "pymerkle.db"))
    taken = seconds(lambda: [tree.append_entry(LINE) for _ in range(SINGLES * 5)])
    return [("pymerkle SqliteTree, 1", f"{SINGLES * 5 / taken:,.0f}", "", "")]


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
    for start in range(0, records, BATCH):
        log.append([note(f"fill/{start + each}") for each in range(min(BATCH, records - start))])


def append_each(log: Log, names: list[str]) -> None:
    """Append notes one by one, each durable before the next."""
    for name in names:
        log.append([note(name)])


def write_each(descriptor: int, data: bytes, count: int) -> None:
    """Do what every durable append must do: one write, one sync."""
    for _ in range(count):
        os.write(descriptor, data)
        os.fdatasync(descriptor)


def warm(root: Path) -> None:
    """Read every file once."""
    for path in root.rglob("*"):
        if path.is_file():
            path.read_bytes()


def seconds(work: Callable[[], object]) -> float:
    """Return how long `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def quickest(work: Callable[[], object], times: int = 3) -> float:
    """Return the processor time of the quickest of some runs."""
    taken = []
    for _ in range(times):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


if __name__ == "__main__":
    main()

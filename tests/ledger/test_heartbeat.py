"""A quiet period has a seal, and a missing beat shows."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import duckdb

from ledger import SigningKey, open_checkpoint, verify
from ledger.cli import main
from ledger.heartbeat import beat, keep_beating
from tests.ledger.conftest import fill

if TYPE_CHECKING:
    from pathlib import Path

    from ledger import Checkpoint, Log
    from tests.ledger.conftest import Clock

GAPS = """
select seq from (
  select seq, date_diff('second', lag(ts) over (order by seq), ts) as apart,
         lag(every) over (order by seq) as promised
  from (select (line->>'seq')::bigint as seq, (line->>'ts')::timestamptz as ts,
               (line->'data'->>'every_seconds')::double as every
        from read_json_objects(?, format='newline_delimited') as t(line)
        where line->>'step' = 'heartbeat'))
where apart > 1.5 * promised
"""


def test_an_empty_period_is_a_note_under_a_checkpoint(log: Log, key: SigningKey) -> None:
    """The note says how many records came since the last checkpoint: none."""
    for records in (0, 0, 3):
        fill(log, records, f"run-{log.head().count}")
        signed = beat(log, [key], every=60, actor="operator")
        last = next(log.read(signed.size - 1))
        assert (last.type, last.step, last.actor) == ("note", "heartbeat", "operator")
        assert last.data["every_seconds"] == 60
        assert signed.size == log.head().count
    assert last.data["records"] == 6
    assert verify(log.path).checkpoint == signed


def test_a_missing_beat_is_a_gap_in_sql(log: Log, key: SigningKey, clock: Clock) -> None:
    """Between two notes of a cadence of 60 seconds lie 600."""
    for wait in (58, 58, 598, 58):
        beat(log, [key], every=60)
        clock.shift(wait)
    beat(log, [key], every=60)
    path = str(log.path / "audit.jsonl")
    assert duckdb.execute(GAPS, [path]).fetchall() == [(4,)]


def test_it_beats_until_it_is_told_to_stop(log: Log, key: SigningKey) -> None:
    """Keys are read again for each beat, so a rotation is taken up."""
    loads: list[int] = []
    seen: list[Checkpoint] = []

    def load() -> list[SigningKey]:
        loads.append(1)
        return [key]

    waits: list[float] = []

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        return len(waits) == 3

    beats = keep_beating(log, load, every=5, wait=wait, tell=seen.append, actor="operator")
    assert (beats, len(loads), [each.size for each in seen]) == (3, 3, [2, 3, 4])
    assert waits == [5, 5, 5]
    notes = [(record.actor, record.data["every_seconds"]) for record in log.read(1)]
    assert notes == [("operator", 5)] * 3


def test_all_keys_sign_a_beat(log: Log, key: SigningKey) -> None:
    """In the time when one key takes over from another."""
    second = SigningKey(key.name, bytes(32))
    signed = beat(log, [key, second], every=0)
    for each in (key, second):
        assert open_checkpoint(signed.note, [each.verify_key]) == signed


def test_the_first_beat_of_an_unsigned_ledger_counts_all(
    log: Log, key: SigningKey, root: Path
) -> None:
    """Nothing was covered before."""
    (root / "checkpoint").unlink()
    (root / "checkpoints" / "000000000001").unlink()
    beat(log, [key], every=0)
    assert [record.data.get("records") for record in log.read(1)] == [1]


def test_the_command_beats_once(log: Log, key: SigningKey, tmp_path: Path, clock: Clock) -> None:
    """And refuses a cadence of nothing."""
    log.close()
    key.save(tmp_path / "k")
    arguments = ["heartbeat", str(log.path), "--sign", str(tmp_path / "k")]
    assert main([*arguments, "--once"], clock=clock) == 0
    assert main([*arguments, "--every", "0"], clock=clock) == 2
    assert verify(log.path).count == 2


def test_a_service_stops_cleanly(log: Log, key: SigningKey, tmp_path: Path) -> None:
    """SIGTERM between two beats: exit code 0, nothing torn, the last beat signed."""
    log.close()
    key.save(tmp_path / "k")
    command = [sys.executable, "-m", "ledger", "heartbeat", str(log.path), "--sign"]
    process = subprocess.Popen(
        [*command, str(tmp_path / "k"), "--every", "0.05"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process:
        first = process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    report = verify(log.path)
    assert first.startswith("2 ")
    assert report.verdict == "ok"
    assert report.checkpoint is not None
    assert report.checkpoint.size == report.count


def test_heartbeats_are_json_that_states_a_cadence(log: Log, key: SigningKey) -> None:
    """A float of seconds is written as JSON has it."""
    beat(log, [key], every=0.5)
    assert [each.actor for each in log.read(1)] == [""]
    line = (log.path / "audit.jsonl").read_text().splitlines()[-1]
    assert '"step":"heartbeat"' in line
    assert json.loads(line)["data"] == {"every_seconds": 0.5, "records": 0}

"""The whole path: prices to records to verdicts, tampering found, decisions replayed."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from flows.manifest import BUNDLED
from flows.recorder import open_intents
from ledger import read_records
from tests.conftest import SMALL, Workplace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.walk

REPLAY = [sys.executable, "-m", "replay", "--all"]


def replay_in_fresh_process(place: Workplace, **environment: str) -> list[str]:
    """Return the verdicts of a fresh process with these variables."""
    root = place.root
    done = subprocess.run(
        [*REPLAY, "--ledger", str(root / "ledger"), "--blobs", str(root / "blobs")],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return [json.loads(line)["verdict"] for line in done.stdout.splitlines()]


def test_every_step_is_recorded_as_intent_and_outcome(walked_once: Workplace) -> None:
    """Each decision of the walk has exactly one intent before exactly one outcome."""
    records = walked_once.records
    intents = [r["id"] for r in records if r["type"] == "intent"]
    outcomes = [r["id"] for r in records if r["type"] == "outcome"]
    assert sorted(intents) == sorted(outcomes)
    assert len(set(intents)) == len(intents)
    steps = {id_.split("/")[1] for id_ in intents}
    assert steps == {
        "ingest",
        "assess",
        "detect",
        "select",
        "optimize",
        "rebalance",
        "simulate",
        "measure",
        "compose",
        "flatten",
    }


def test_run_states_what_it_stood_on(walked_once: Workplace) -> None:
    """The opening record pins commit, lock, versions, manifest; the blobs are there."""
    opening = next(r for r in walked_once.records if r["id"].endswith("/open"))
    environment = opening["data"]["environment"]
    assert len(environment["commit"]) == 40
    assert set(environment["threads"].values()) <= {1, 2}
    assert {"lock", "manifest"} <= set(opening["inputs"])
    for digest in opening["inputs"].values():
        assert (walked_once.root / "blobs" / "sha256" / digest[:2] / digest[2:]).is_file()


def test_missing_profile_of_a_sleeve_is_stood_in_for_and_recorded(walked_once: Workplace) -> None:
    """The factor sleeve has no hrp; its proxy is named in the record."""
    composed = next(r for r in walked_once.records if r["step"] == "compose" and r["status"])
    factors, stocks = composed["data"]["result"]["sleeves"]
    assert (factors["proxy"], factors["used"]["risk_profile"]) == (True, "min_variance")
    assert (stocks["proxy"], stocks["used"]["risk_profile"]) == (False, "hrp")


def test_flattened_weights_conserve_net_and_gross(walked_once: Workplace) -> None:
    """Every flattening adds up to the weights it came from."""
    flat = [r for r in walked_once.records if r["step"] == "flatten" and r["type"] == "outcome"]
    assert flat
    assert all(record["data"]["result"]["conserved"] for record in flat)


def test_nav_is_continuous_across_windows(walked_once: Workplace) -> None:
    """A window starts with the NAV the one before it ended with."""
    books: dict[str, list[tuple[float, float]]] = {}
    for record in walked_once.records:
        if record["step"] == "simulate" and record["type"] == "outcome":
            book = record["id"].split("/")[2].rpartition(".")[0]
            result = record["data"]["result"]
            books.setdefault(book, []).append((result["nav_start"], result["nav_end"]))
    assert len(books) == 5
    for windows in books.values():
        assert all(end == start for (_, end), (start, _) in pairwise(windows))


def test_verify_passes_on_what_was_written(walked_once: Workplace) -> None:
    """Exit 0, with every blob checked."""
    called = walked_once.assay("verify", "--blobs")
    assert called.code == 0, called.out


def test_any_changed_byte_is_found_and_its_line_named(
    walked: Workplace, alter: Callable[[Path, int, int], None]
) -> None:
    """Exit 3 for a change anywhere, naming the record that holds the byte."""
    path = walked.root / "ledger" / "audit.jsonl"
    original = path.read_bytes()
    chosen = random.Random(7)  # noqa: S311 - drawn places, not secrets
    for _ in range(25):
        at = chosen.randrange(len(original))
        alter(path, at, chosen.randrange(1, 256))
        called = walked.assay("verify", "--fast", "--json")
        assert called.code == 3
        line = original[:at].count(b"\n")
        assert line in {found["seq"] for found in called.data["findings"]}, called.out
        path.write_bytes(original)
    assert walked.assay("verify", "--fast").code == 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", ["0", "1"])
@pytest.mark.parametrize("threads", ["1", "2"])
def test_every_decision_replays_exactly(
    walked_once: Workplace, tmp_path: Path, seed: str, threads: str
) -> None:
    """In a fresh process, another folder, with another hash seed and thread count."""
    shutil.copytree(walked_once.root, tmp_path / "elsewhere" / ".assay")
    place = Workplace(tmp_path / "elsewhere")
    verdicts = replay_in_fresh_process(place, PYTHONHASHSEED=seed, OMP_NUM_THREADS=threads)
    decisions = [r for r in walked_once.records if r["type"] == "intent"]
    assert verdicts == ["exact"] * len(decisions)


def test_replay_is_recorded_with_a_verdict_for_each_decision(walked: Workplace) -> None:
    """`assay replay` appends what it found."""
    before = len(walked.lines)
    called = walked.assay("replay", "--sample", "5", "--seed", "3", "--json", "-q")
    assert called.code == 0
    assert called.data["counts"] == {"exact": 5}
    recorded = [r for r in walked.records[before:] if r["step"] == "replay" and r["status"] == "ok"]
    assert recorded[0]["data"]["result"]["verdicts"] == called.data["decisions"]


def test_an_altered_input_is_told_apart_from_a_missing_one(walked: Workplace) -> None:
    """A snapshot that was altered is an integrity failure, one that is gone has no replay."""
    ingested = next(r for r in walked.records if r["step"] == "ingest" and r["type"] == "intent")
    digest = ingested["inputs"]["snapshot"]
    blob = walked.root / "blobs" / "sha256" / digest[:2] / digest[2:]
    blob.chmod(0o644)
    blob.write_bytes(blob.read_bytes()[:-1] + b"x")
    weighed = "optimize/stocks.custom.hrp.0000"
    for command, id_ in (("replay", "detect/stocks.0000"), ("certify", weighed)):
        called = walked.assay(command, id_, "--json", "-q")
        assert called.code == 3, command
        assert called.data["counts"] == {"input_altered": 1}
    assert walked.assay("verify", "--blobs").code == 3
    blob.unlink()
    called = walked.assay("replay", "detect/stocks.0000", "--json", "-q")
    assert called.code == 4
    assert called.data["counts"] == {"input_missing": 1}


@pytest.mark.property
@pytest.mark.slow
@pytest.mark.parametrize("last", ["2020-03-13", "2020-04-03", "2020-05-01"])
def test_cutting_the_future_changes_no_past_decision(
    walked_once: Workplace, tmp_path: Path, last: str
) -> None:
    """A run on prices cut at a date decides the same for every window that ended by then."""
    place = Workplace(tmp_path)
    assert place.assay("init").code == 0
    manifest = json.loads(json.dumps(SMALL))
    for name in ("stocks", "factors"):
        manifest["profiles"][name]["data"]["source"]["last_date"] = last
    place.write("manifest.json", manifest)
    assert place.assay("run", "-m", "manifest.json", "-q").code == 0
    whole, cut = walked_once.results(), place.results()
    ends: dict[str, str] = {
        record["id"].split("/", 1)[1]: record["data"]["window"]["test_last"]
        for record in place.records
        if record["type"] == "intent" and record["data"]["window"] is not None
    }
    windows = [key for key in cut if key in ends]
    ended = [key for key in windows if ends[key] < last]
    # Of the window that was cut short, everything decided before its test rows must be equal too.
    decided = [key for key in windows if not key.startswith("simulate/")]
    assert len(ended) > 50
    assert {key: cut[key] for key in {*ended, *decided}} == {
        key: whole[key] for key in {*ended, *decided}
    }


@pytest.mark.slow
def test_killed_run_is_shown_and_closed_by_the_next(workplace: Workplace) -> None:
    """SIGKILL in the middle: nothing acknowledged is lost, open intents become `aborted`."""
    command = [sys.executable, "-c", "from flows.cli import main; main()"]
    arguments = ["-C", str(workplace.folder), "run", "-m", str(BUNDLED), "-p", "factors", "-q"]
    ledger = workplace.root / "ledger" / "audit.jsonl"
    with subprocess.Popen([*command, *arguments]) as process:
        deadline = time.monotonic() + 60
        while ledger.stat().st_size < 200_000 and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    before = open_intents(read_records(workplace.root / "ledger"))
    status = workplace.assay("status", "--json")
    assert {entry["id"] for entry in status.data["open_intents"]} == set(before)
    assert workplace.assay("run", "ingestion", "-m", "manifest.json", "-p", "factors").code == 0
    assert not open_intents(read_records(workplace.root / "ledger"))
    aborted = {r["id"] for r in workplace.records if r["status"] == "aborted"}
    assert set(before) <= aborted
    assert workplace.assay("verify").code == 0


def test_interrupted_computation_leaves_no_open_intent(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error inside a batch is recorded: one failed outcome, the rest aborted, run closed."""
    calls = 0

    def failing(*_arguments: object) -> object:
        nonlocal calls
        calls += 1
        if calls > 4:
            message = "the disk of the solver is full"
            raise OSError(message)
        from pipeline.walk import decide  # noqa: PLC0415

        return decide(*_arguments)  # type: ignore[arg-type]

    monkeypatch.chdir(workplace.folder)  # where the file with the trace goes
    monkeypatch.setattr("flows.batch.decide", failing)
    called = workplace.assay("run", "-m", "manifest.json", "-p", "factors", "-q")
    assert called.code == 70
    statuses = [r["status"] for r in workplace.records if r["type"] == "outcome"]
    assert statuses.count("failed") == 1
    assert statuses.count("aborted") > 10
    assert not open_intents(read_records(workplace.root / "ledger"))
    assert workplace.records[-1]["status"] == "failed"


@pytest.mark.slow
def test_scheduled_rebalances_carry_their_holdings(workplace: Workplace) -> None:
    """The second run starts from what the trades of the first one became."""
    for day in ("2020-03-02", "2020-03-16"):
        arguments = [
            "run",
            "rebalance",
            "-m",
            "manifest.json",
            "-p",
            "stocks",
            "--as-of",
            day,
            "-q",
        ]
        called = workplace.assay(*arguments)
        assert called.code == 0, called.err
    outcomes = [r for r in workplace.records if r["type"] == "outcome" and r["status"] == "ok"]
    trades = [r for r in outcomes if r["step"] == "rebalance"]
    held = [r for r in outcomes if r["step"] == "simulate"]
    assert len(trades) == 6
    assert len(held) == 3
    first, second = trades[0]["data"]["result"], trades[3]["data"]["result"]
    assert first["holdings"] == {}
    assert set(second["holdings"]) == set(first["targets"])
    assert held[0]["data"]["result"]["last_date"] == "2020-03-16"
    assert second["nav"] == held[0]["data"]["result"]["nav_end"]
    assert workplace.assay("replay", "--all", "-q").code == 0

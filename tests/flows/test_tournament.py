"""The tournament: trials recorded before their results, side by side, taken up again, scored."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from flows.manifest import BUNDLED, read_manifest, resolve
from flows.tournament import tried, with_cells
from flows.workers import Worker, WorkerError
from ledger import read_records
from pipeline.errors import ConfigError
from pipeline.optimization.engines.base import capability_table, installed
from tests.conftest import make_workplace

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Workplace

OBSERVED = ("ts", "hash", "prev_hash")

LONG: dict[str, Any] = {
    "version": 1,
    "profiles": {
        "long": {
            "data": {
                "source": {
                    "dataset": "factors",
                    "first_date": "2019-09-03",
                    "last_date": "2022-06-30",
                }
            },
            "optimization": {
                "infeasible_caps": "relax",
                # No weights of these funds have such a beta: the cell fails in its first window.
                "beta_limits": [1e-7],
                "cells": [
                    {"engine": "custom", "risk_profile": "market_neutral"},
                    {"engine": "custom", "risk_profile": "min_variance"},
                    {"engine": "skfolio", "risk_profile": "hrp"},
                ],
            },
        }
    },
}
"""Five factor funds, 47 windows in three batches, one of four cells fails: some seconds."""


def place_in(folder: Path) -> Workplace:
    """Return a workspace with the manifest `long.json` beside it."""
    place = make_workplace(folder)
    place.write("long.json", LONG)
    return place


def held(folder: Path, *arguments: str) -> Workplace:
    """Return a workspace in which the tournament was held."""
    place = place_in(folder)
    called = place.assay("tournament", "run", "-m", "long.json", "-q", *arguments)
    assert called.code == 1, called.err
    return place


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """Return the workspace of a tournament with one process: read it, never write to it."""
    return held(tmp_path_factory.mktemp("alone") / "place", "--jobs", "1")


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """Return the workspace of the same tournament with two workers: read it, never write to it."""
    return held(tmp_path_factory.mktemp("together") / "place", "--jobs", "2")


def comparable(place: Workplace) -> list[str]:
    """Return the records after genesis without what two honest runs may differ in."""
    lines = []
    for record in place.records[1:]:
        kept = {key: value for key, value in record.items() if key not in OBSERVED}
        # The state of the checkout is that of the moment.
        left_out = {"observed", "environment"}
        kept["data"] = {key: value for key, value in kept["data"].items() if key not in left_out}
        kept["inputs"] = {k: v for k, v in record.get("inputs", {}).items() if k != "diff"}
        lines.append(json.dumps(kept, sort_keys=True).replace(record["run_id"], "RUN"))
    return lines


def without_attempts(place: Workplace) -> dict[str, str]:
    """Return `step/ordinal` -> digest of the result."""
    return {key.rpartition("/")[0]: digest for key, digest in place.results().items()}


@pytest.mark.slow
def test_records_do_not_depend_on_the_number_of_workers(
    alone: Workplace, together: Workplace
) -> None:
    """With one process and with two, every record is the same but for time and hash."""
    assert comparable(alone) == comparable(together)


def test_trials_are_recorded_before_any_result_and_the_rule_before_them(alone: Workplace) -> None:
    """The opening record has rule and cells; each cell's intent comes before the first window."""
    records = alone.records
    opening = next(r for r in records if r["id"].endswith("/open"))
    assert opening["data"]["tournament"]["rule"]["rule"] == "sharpe"
    (cells,) = opening["data"]["tournament"]["cells"].values()
    trials = [r["seq"] for r in records if r["step"] == "trial" and r["type"] == "intent"]
    first = min(r["seq"] for r in records if r["step"] == "assess")
    assert len(trials) == len(cells) == 4
    assert opening["seq"] < min(trials) <= max(trials) < first


def test_failed_cell_is_a_trial_and_stops_no_other(alone: Workplace) -> None:
    """Its trial has the reason, what followed of it is aborted, the others reach the end."""
    records = alone.records
    ended = {r["id"].split("/")[2]: r for r in records if r["step"] == "trial" and r["status"]}
    assert ended["long.custom.market_neutral"]["status"] == "failed"
    assert ended["long.custom.market_neutral"]["data"]["error"]["code"] == "E0240"
    assert [r["status"] for r in ended.values()].count("ok") == 3
    statuses = [
        (r["step"], r["status"])
        for r in records
        if ".market_neutral.0000/" in r["id"] and r["type"] == "outcome"
    ]
    assert statuses == [("optimize", "failed"), ("rebalance", "aborted"), ("simulate", "aborted")]
    assert not any(".market_neutral.0016/" in r["id"] for r in records)
    assert any(".min_variance.0046/" in r["id"] for r in records)


def test_scoreboard_shows_every_cell_and_counts_the_failed_one(alone: Workplace) -> None:
    """Three ranks, one failure, four trials, numbers against equal weight; the same as CSV."""
    (sleeve,) = alone.assay("tournament", "show", "--json").data["sleeves"]
    score = sleeve["score"]
    assert score["trials"] == 4
    assert [row["rank"] for row in score["rows"]] == [1, 2, 3]
    assert [row["failed_windows"] for row in score["failed"]] == [47]
    assert score["baseline"] == "custom.equal_weight"
    assert 0.0 <= score["overfitting"]["probability"] <= 1.0
    table = alone.assay("tournament", "show", "--csv").out.splitlines()
    assert len(table) == 5
    assert table[1].split(",")[2] == score["rows"][0]["cell"]
    text = alone.assay("tournament", "show").out
    assert "PBO" in text
    assert "E0240" in text


@pytest.mark.slow
def test_trials_and_scoreboard_are_replayed_to_the_same_bytes(alone: Workplace) -> None:
    """What the record names is enough to take the score again."""
    ids = [r["id"] for r in alone.records if r["step"] in {"trial", "score", "measure"}]
    folders = ["--ledger", str(alone.root / "ledger"), "--blobs", str(alone.root / "blobs")]
    done = subprocess.run(
        [sys.executable, "-m", "replay", *folders],
        input="\n".join(sorted(set(ids))),
        capture_output=True,
        text=True,
        check=False,
    )
    verdicts = {json.loads(line)["decision_id"]: line for line in done.stdout.splitlines()}
    exact = [id_ for id_, line in verdicts.items() if json.loads(line)["verdict"] == "exact"]
    assert len([id_ for id_ in exact if "/trial/" in id_]) == 4
    assert len([id_ for id_ in exact if "/score/" in id_]) == 1
    assert len([id_ for id_ in exact if "/measure/" in id_]) == 3


def lines_of(ledger: Path, step: str) -> list[bytes]:
    """Return the lines of a step."""
    return [li for li in ledger.read_bytes().splitlines() if f'"step":"{step}"'.encode() in li]


@pytest.mark.slow
def test_killed_tournament_goes_on_where_it_was(alone: Workplace, tmp_path: Path) -> None:
    """No finished decision is computed again, no intent has two outcomes, the score is the same."""
    place = place_in(tmp_path / "place")
    command = [sys.executable, "-c", "from flows.cli import main; main()", "-C", str(place.folder)]
    command += ["tournament", "run", "-m", "long.json", "--jobs", "2", "-q"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ledger = place.root / "ledger" / "audit.jsonl"
    while not any(b'"type":"outcome"' in line for line in lines_of(ledger, "simulate")):
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = place.results()
    assert any(key.startswith("optimize/") for key in before)
    assert not any(key.startswith("score/") for key in before)

    called = place.assay("tournament", "run", "--resume", "long", "--jobs", "1", "-q")
    assert called.code == 1, called.err
    records = place.records
    outcomes = [r["id"] for r in records if r["type"] == "outcome"]
    assert len(outcomes) == len(set(outcomes)) == sum(r["type"] == "intent" for r in records)
    after = place.results()
    assert {key: after[key] for key in before} == before
    decided = [key.rpartition("/")[0] for key in after]
    assert len(decided) == len(set(decided))
    assert {key.rpartition("/")[2] for key in after} == {"1", "2"}
    # Other attempts, other ids: of the results only the score has parameters and ids of the run.
    assert without_attempts(place) == without_attempts(alone)
    (sleeve,) = called_sleeves(place)
    assert sleeve["trials"]["custom.min_variance"] == {"status": "ok", "attempts": 2}
    assert place.assay("verify").code == 0


def called_sleeves(place: Workplace) -> list[Any]:
    """Return the sleeves of the newest scoreboard."""
    found = place.assay("tournament", "show", "--json").data["sleeves"]
    assert isinstance(found, list)
    return found


def test_finished_tournament_does_not_go_on(alone: Workplace) -> None:
    """What is done is done: E0423, nothing recorded."""
    before = len(alone.lines)
    called = alone.assay("tournament", "run", "--resume", "long", "-q")
    assert called.code == 2
    assert "error[E0423]" in called.err
    assert len(alone.lines) == before


def test_resume_takes_no_cells(alone: Workplace) -> None:
    """A run goes on with what it recorded."""
    called = alone.assay("tournament", "run", "--resume", "long", "--engine", "custom")
    assert called.code == 2
    assert "error[E0403]" in called.err


def test_every_try_counts_once(alone: Workplace) -> None:
    """Trials of other profiles do not count, those of this one do, also the failed."""
    assert tried(alone.root / "ledger", "long", "long") == 4
    assert tried(alone.root / "ledger", "other", "long") == 0
    assert len({r.id for r in read_records(alone.root / "ledger") if r.step == "trial"}) == 4


def test_all_cells_are_those_of_the_capability_table() -> None:
    """`--all` takes what is supported and installed; the market only with benchmark symbols."""
    resolved = with_cells(resolve(read_manifest(BUNDLED), "factors"), every=True)
    (profile,) = resolved.sleeves.values()
    wanted = {
        f"{entry.engine}.{entry.risk_profile}"
        for entry in capability_table()
        if not entry.refused and installed(entry.engine) and entry.risk_profile != "market"
    }
    found = [cell.label for cell in profile.optimization.cells]
    assert set(found) == wanted
    assert len(found) == len(set(found))
    assert found[0] == "custom.equal_weight"


def test_cells_are_the_product_of_engines_and_risk_profiles() -> None:
    """The baseline comes first; an impossible product is refused."""
    resolved = resolve(read_manifest(BUNDLED), "factors")
    chosen = with_cells(resolved, ["custom", "skfolio"], ["hrp", "market_neutral"])
    (profile,) = chosen.sleeves.values()
    assert [cell.label for cell in profile.optimization.cells] == [
        "custom.equal_weight",
        "custom.hrp",
        "custom.market_neutral",
        "skfolio.hrp",
    ]
    with pytest.raises(ConfigError, match="no engine supports"):
        with_cells(resolved, ["cvxportfolio"], ["hrp"])


def test_worker_that_was_killed_is_named(tmp_path: Path) -> None:
    """Its end is an error with its exit code, not a result that is missing."""
    worker = Worker(tmp_path)
    worker._process.kill()
    worker._process.wait()
    with pytest.raises(WorkerError, match="exit code -9"):
        worker._line()
    worker.close()


@pytest.mark.slow
def test_failure_that_stops_a_run_is_the_same_with_workers(tmp_path: Path) -> None:
    """A backtest stops at the first failure in the order of the plan, with one process or two."""
    records = []
    for jobs in ("1", "2"):
        place = place_in(tmp_path / jobs)
        called = place.assay("run", "-m", "long.json", "-q", "--jobs", jobs)
        assert called.code == 6
        assert "error[E0240]" in called.err
        records.append(comparable(place))
    assert records[0] == records[1]

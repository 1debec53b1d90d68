"""A walk whose weights depend on what is held: recorded, ordered, replayed."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ledger import BlobStore, read_records
from pipeline.errors import DataError
from pipeline.records import Intent
from pipeline.values import Holdings
from pipeline.walk import candidates
from replay.certificate import certify
from replay.history import History
from replay.reconstruct import Replayer
from tests.conftest import SMALL, make_workplace

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Workplace

pytestmark = pytest.mark.walk

SECTORS = {
    **dict.fromkeys(("AAPL",), "technology"),
    **dict.fromkeys(("BAC", "JPM"), "finance"),
    **dict.fromkeys(("CVX", "XOM"), "energy"),
    **dict.fromkeys(("JNJ", "KO", "PG"), "staples"),
}


def manifest(**optimization: object) -> dict[str, Any]:
    """Return the profile of the stocks with limits and costs of trading."""
    profile = copy.deepcopy(SMALL["profiles"]["stocks"])
    profile["optimization"] = {
        "infeasible_caps": "relax",
        "symbol_caps": dict.fromkeys(("quiet", "normal", "turbulent", "crisis"), 0.4),
        "cluster_caps": dict.fromkeys(("quiet", "normal", "turbulent", "crisis"), 0.6),
        "cells": [{"risk_profile": "min_variance"}, {"risk_profile": "min_cvar"}],
        **optimization,
    }
    profile["selection"] = {"top_rule": "dispersion", "cluster_count": 3}
    return {"version": 1, "profiles": {"stocks": profile}}


COSTLY = manifest(
    sectors=SECTORS,
    sector_caps=dict.fromkeys(("quiet", "normal", "turbulent", "crisis"), 0.5),
    trading={
        "turnover_limit": 0.4,
        "infeasible_turnover": "relax",
        "linear_bps": 6.0,
        "impact_coefficient": 0.5,
        "daily_volume": 50.0,
    },
)


@pytest.fixture(scope="module")
def costly(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """Return a workspace in which the walk with costs was run once."""
    place = make_workplace(tmp_path_factory.mktemp("costly") / "place")
    place.write("manifest.json", COSTLY)
    called = place.assay("run", "-m", "manifest.json", "-q")
    assert called.code == 0, called.err
    return place


def outcomes(place: Workplace, step: str) -> dict[str, Any]:
    """Return ordinal -> outcome of a step."""
    return {
        record["id"].split("/")[2]: record
        for record in place.records
        if record["step"] == step and record["type"] == "outcome"
    }


def intents(place: Workplace, step: str) -> dict[str, Any]:
    """Return ordinal -> intent of a step."""
    return {
        record["id"].split("/")[2]: record
        for record in place.records
        if record["step"] == step and record["type"] == "intent"
    }


def test_weights_name_the_simulation_they_start_from(costly: Workplace) -> None:
    """Every window but the first names the one before it and the digest of its result."""
    simulated, taken = outcomes(costly, "simulate"), outcomes(costly, "optimize")
    windows = intents(costly, "optimize")
    assert len(windows) > 10
    for ordinal, record in windows.items():
        cell, _, number = ordinal.rpartition(".")
        upstream = record["data"]["upstream"]
        if number == "0000":
            assert "holdings" not in upstream
            assert taken[ordinal]["data"]["result"]["trading"]["rule"] == "initial"
            continue
        before = simulated[f"{cell}.{int(number) - 1:04d}"]
        assert upstream["holdings"] == before["id"]
        digest = before["data"]["result_sha256"]
        assert taken[ordinal]["data"]["upstream_sha256"]["holdings"] == digest


def test_holdings_are_those_just_before_the_decision(costly: Workplace) -> None:
    """The weights that turnover is counted from are the drifted ones that the rebalance sells."""
    traded = outcomes(costly, "rebalance")
    for ordinal, record in outcomes(costly, "optimize").items():
        told, trades = record["data"]["result"]["trading"], traded[ordinal]["data"]["result"]
        assert told["turnover_one_way"] == pytest.approx(trades["turnover_one_way"], abs=1e-12)
        held = told["holdings"]
        assert held == {s: w for s, w in trades["holdings"].items() if s in held}
        limit = told["turnover_limit"]
        assert limit is None or trades["turnover_one_way"] <= limit + 1e-12


def test_days_of_the_walk_are_recorded(costly: Workplace) -> None:
    """Costs are spread over the days until the next decision, as the intent says."""
    for record in intents(costly, "optimize").values():
        assert record["data"]["params"]["trading"]["holding_days"] == 10


def test_one_digest_of_clusters_in_every_stage(costly: Workplace) -> None:
    """Selection, weights, trades and simulation of a window carry the same clusters."""
    chosen = {
        ordinal.rpartition(".")[2]: record["data"]["result"]["clusters_sha256"]
        for ordinal, record in outcomes(costly, "select").items()
    }
    assert len(set(chosen.values())) > 1
    for step in ("optimize", "rebalance", "simulate"):
        for ordinal, record in outcomes(costly, step).items():
            number = ordinal.rpartition(".")[2]
            assert record["data"]["result"]["clusters_sha256"] == chosen[number]


def test_the_walk_replays_exactly(costly: Workplace) -> None:
    """The book is evidence like any other: every decision gives the same bytes."""
    called = costly.assay("replay", "--all", "--json")
    assert called.code == 0, called.out
    assert set(json.loads(called.out)["data"]["counts"]) == {"exact"}


def test_every_decision_is_confirmed(costly: Workplace) -> None:
    """Optimality with costs, limits and holdings, from ledger and blobs alone."""
    history = History(read_records(costly.root / "ledger"), BlobStore(costly.root / "blobs"))
    replayer = Replayer(history, {})
    ids = [id_ for id_ in history.decisions() if "/optimize/" in id_]
    for id_ in ids:
        record = history.decision(id_).intent
        intent = Intent.from_payload(record.data)
        evidence = replayer._evidence(intent, record)[0]
        panel, clusters = candidates(intent, evidence)
        book: Any = evidence.results.get("holdings")
        held = {} if book is None else Holdings.from_payload(book["holdings_end"]).weights()
        result, _ = history.result(id_)
        found = certify(result, panel.returns(), clusters, intent.params, held)
        assert found.confirmed, (id_, found.broken)


def test_other_clusters_than_those_recorded_are_refused(costly: Workplace) -> None:
    """A selection whose clusters do not have its digest is no evidence."""
    history = History(read_records(costly.root / "ledger"), BlobStore(costly.root / "blobs"))
    id_ = next(id_ for id_ in history.decisions() if "/optimize/" in id_)
    record = history.decision(id_).intent
    intent = Intent.from_payload(record.data)
    evidence = Replayer(history, {})._evidence(intent, record)[0]
    selection: Any = copy.deepcopy(evidence.results["selection"])
    first, second = selection["clusters"][:2]
    first["symbols"].append(second["symbols"].pop())
    altered = replace(evidence, results={**evidence.results, "selection": selection})
    with pytest.raises(DataError, match="the clusters have the digest"):
        candidates(intent, altered)


def test_jobs_do_not_change_what_is_recorded(costly: Workplace, tmp_path: Path) -> None:
    """Two worker processes give the results of one: chains of a cell stay in order."""
    place = make_workplace(tmp_path / "jobs")
    place.write("manifest.json", COSTLY)
    called = place.assay("run", "-m", "manifest.json", "-q", "--jobs", "2")
    assert called.code == 0, called.err
    walked = {k: v for k, v in costly.results().items() if not k.startswith("replay/")}
    assert place.results() == walked


def test_costs_lower_turnover(costly: Workplace, tmp_path: Path) -> None:
    """Without limits and costs the same walk trades more."""
    place = make_workplace(tmp_path / "free")
    place.write("manifest.json", manifest())
    assert place.assay("run", "-m", "manifest.json", "-q").code == 0
    free, dear = outcomes(place, "measure"), outcomes(costly, "measure")
    cell = "stocks.custom.min_variance"
    turnover = "turnover_one_way_total"
    assert dear[cell]["data"]["result"][turnover] < free[cell]["data"]["result"][turnover]
    assert all("holdings" not in r["data"]["upstream"] for r in intents(place, "optimize").values())


def test_a_single_date_starts_from_the_current_holdings(tmp_path: Path) -> None:
    """Two rebalances: the second names the simulation that carried the first one's trades."""
    place = make_workplace(tmp_path / "live")
    place.write("manifest.json", COSTLY)
    for day in ("2020-03-02", "2020-03-16"):
        stage = ("run", "rebalance", "--as-of", day)
        called = place.assay(*stage, "-m", "manifest.json", "-q")
        assert called.code == 0, called.err
    taken = [r for r in place.records if r["step"] == "optimize" and r["type"] == "intent"]
    assert len(taken) == 4
    assert all("holdings" not in record["data"]["upstream"] for record in taken[:2])
    assert all("/simulate/" in record["data"]["upstream"]["holdings"] for record in taken[2:])
    called = place.assay("replay", "--all", "--json")
    assert set(called.data["counts"]) == {"exact"}

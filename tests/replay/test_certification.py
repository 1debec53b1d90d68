"""Recorded weights are confirmed without a solver, and altered evidence is refused."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from ledger import BlobStore, read_records
from pipeline.optimization.engines.base import capabilities
from pipeline.records import Intent
from pipeline.walk import Evidence, candidates
from replay.certification import Certification, Certifier, confirm, weighed
from replay.history import History
from replay.reconstruct import Snapshots
from tests.conftest import make_workplace

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Workplace

OURS = [entry.risk_profile for entry in capabilities("custom")]
CERTIFIED: dict[str, Any] = {
    "version": 1,
    "profiles": {
        "certified": {
            "data": {
                "source": {
                    "symbols": ["AAPL", "BAC", "CVX", "JNJ", "JPM", "KO", "PG", "XOM"],
                    "first_date": "2019-01-02",
                    "last_date": "2020-03-31",
                }
            },
            "optimization": {
                "infeasible_caps": "relax",
                "benchmark_symbols": ["KO", "PG"],
                "beta_limits": [0.9, 2.0],
                "cells": [{"engine": "custom", "risk_profile": name} for name in OURS],
            },
        }
    },
}
"""Every risk profile of ours over seven windows of the bundled prices, a crash among them."""


@pytest.fixture(scope="module")
def walked_all(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """Return the workspace of that walk: read it, never write to it."""
    place = make_workplace(tmp_path_factory.mktemp("certified") / "place")
    place.write("certified.json", CERTIFIED)
    called = place.assay("run", "-m", "certified.json", "-q")
    assert called.code == 0, called.err
    return place


@pytest.fixture(scope="module")
def history(walked_all: Workplace) -> History:
    """Return its history."""
    root = walked_all.root
    return History(read_records(root / "ledger"), BlobStore(root / "blobs"))


def evidence_of(history: History, id_: str) -> tuple[Any, Intent, dict[str, Any], Any]:
    """Return what `confirm` takes for a decision."""
    record = history.decision(id_).intent
    intent = Intent.from_payload(record.data)
    results = {role: history.result(name)[0] for role, name in intent.upstream.items()}
    panel = Snapshots(history.blobs).rows(intent, record.inputs["snapshot"])
    return copy.deepcopy(history.result(id_)[0]), intent, results, panel


def of_profile(history: History, risk_profile: str) -> str:
    """Return the decision of a risk profile in the last window."""
    return next(
        id_
        for id_ in reversed(history.decisions())
        if f"/optimize/certified.custom.{risk_profile}." in id_
    )


def test_every_risk_profile_of_ours_is_confirmed_in_every_window(history: History) -> None:
    """Convex ones, projections, trees and barbells; none is broken."""
    certifier = Certifier(history)
    ids = [id_ for id_ in history.decisions() if "/optimize/" in id_]
    found = [certifier.certify(id_) for id_ in ids]
    assert [one for one in found if one.verdict != "confirmed"] == []
    assert {one.kind for one in found} == {"optimum", "projection", "steps", "barbell"}
    requested = {id_.split("/")[2].split(".")[2] for id_ in ids}
    assert requested == set(OURS)


def test_symbols_and_clusters_are_those_that_were_weighed(history: History) -> None:
    """The second reading of the selection agrees with the one that decides."""
    for risk_profile in OURS:
        _, intent, results, panel = evidence_of(history, of_profile(history, risk_profile))
        symbols, clusters = weighed(intent, results, panel)
        rows, decided = candidates(intent, Evidence(panel, results))
        assert symbols == rows.symbols
        assert clusters == decided


def shift_weights(result: Any) -> None:
    """Move a thousandth of NAV from the largest weight to the smallest."""
    weights = result["weights"]
    first, last = max(weights, key=weights.get), min(weights, key=weights.get)
    weights[first] -= 1e-3
    weights[last] += 1e-3


def raise_budget_price(result: Any) -> None:
    """Claim another price of weight."""
    result["certificate"]["prices"]["budget"] += 0.01


def lower_symbol_price(result: Any) -> None:
    """Claim a negative dual."""
    result["certificate"]["prices"]["symbols"]["KO"] = -0.01


def swap_merges(result: Any) -> None:
    """Claim another order of the tree."""
    merges = result["certificate"]["merges"]
    merges[0], merges[1] = merges[1], merges[0]


def forget_prices(result: Any) -> None:
    """Leave out what vouches for the weights."""
    del result["certificate"]["prices"]


def claim_other_parameters(result: Any) -> None:
    """Claim a ridge that the intent does not declare."""
    result["certificate"]["parameters"]["l2_penalty"] = 0.5


@pytest.mark.parametrize(
    ("risk_profile", "change"),
    [
        ("min_variance", shift_weights),
        ("max_sharpe", shift_weights),
        ("risk_parity", shift_weights),
        ("hrp", shift_weights),
        ("min_variance", raise_budget_price),
        ("min_cvar", raise_budget_price),
        ("min_variance", lower_symbol_price),
        ("hrp", swap_merges),
        ("herc", swap_merges),
        ("min_variance", claim_other_parameters),
    ],
)
def test_altered_certificates_are_refused(
    history: History, risk_profile: str, change: Callable[[Any], None]
) -> None:
    """Other weights, other prices, a negative dual, other steps, other parameters."""
    result, intent, results, panel = evidence_of(history, of_profile(history, risk_profile))
    assert confirm(result, intent, results, panel).confirmed
    change(result)
    assert not confirm(result, intent, results, panel).confirmed


def test_certificate_that_cannot_be_read_is_broken(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It vouches for nothing; the verdict says why, no error is raised."""
    id_ = of_profile(history, "min_variance")
    result, _, _, _ = evidence_of(history, id_)
    forget_prices(result)
    recorded = history.result
    monkeypatch.setattr(
        history, "result", lambda name: (result, "") if name == id_ else recorded(name)
    )
    found = Certifier(history).certify(id_)
    assert found.verdict == "broken"
    assert "prices" in str(found.reason)


def test_missing_snapshot_is_named(walked_all: Workplace, history: History) -> None:
    """Without the prices nothing is confirmed."""
    elsewhere = History(
        read_records(walked_all.root / "ledger"), BlobStore(walked_all.root / "nothing")
    )
    found = Certifier(elsewhere).certify(of_profile(history, "hrp"))
    assert found.verdict == "input_missing"


BLOCKED = (
    "cvxpy", "clarabel", "skfolio", "scipy", "sklearn", "hmmlearn", "riskfolio", "pypfopt",
    "cvxportfolio", "osqp", "ecos", "scs", "pandas", "prefect", "duckdb",
)  # fmt: skip

WITHOUT_SOLVERS = f"""
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {BLOCKED!r}:
            raise ImportError(name + " is blocked")

sys.meta_path.insert(0, Blocked())
from replay.cli import main
code = main(["certify", "--all", "--ledger", sys.argv[1], "--blobs", sys.argv[2]])
assert not [name for name in sys.modules if name.startswith("pipeline.optimization.engines")]
raise SystemExit(code)
"""


def test_certify_needs_no_solver(walked_all: Workplace) -> None:
    """With every solver and scipy blocked, every decision is confirmed and exit code 0."""
    root = walked_all.root
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_SOLVERS, root / "ledger", root / "blobs"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    verdicts = [json.loads(line)["verdict"] for line in done.stdout.splitlines()]
    assert len(verdicts) == 7 * len(OURS)
    assert set(verdicts) == {"confirmed"}


def test_certification_is_recorded_and_reads_back(walked: Workplace) -> None:
    """Intent and outcome in a run of its own; exit 0; the line per kind; the chain holds."""
    before = len(walked.lines)
    called = walked.assay("certify", "--all", "-q")
    assert called.code == 0, called.out + called.err
    assert "confirmed steps" in called.out
    added = walked.records[before:]
    assert next((r["type"], r["status"]) for r in added) == ("run", "open")
    outcome = next(r for r in added if r["step"] == "certify" and r["type"] == "outcome")
    told = [Certification.from_payload(v) for v in outcome["data"]["result"]["verdicts"]]
    asked = next(r for r in added if r["step"] == "certify" and r["type"] == "intent")
    assert [one.decision_id for one in told] == asked["data"]["params"]["decisions"]
    assert walked.assay("verify").code == 0


def test_choices_that_exclude_each_other_are_refused(walked_once: Workplace) -> None:
    """Two ways to choose are an error for replay and certify, and nothing is recorded."""
    before = len(walked_once.lines)
    for arguments in (
        ("replay", "--last", "--sample", "2"),
        ("replay", "optimize", "--all"),
        ("certify", "--last", "--all"),
        ("certify", "--run", "x", "--all"),
        ("certify",),
    ):
        called = walked_once.assay(*arguments)
        assert called.code == 2
        assert "error[E0403]" in called.err
    assert len(walked_once.lines) == before

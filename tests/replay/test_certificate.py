"""Optimality from record and returns: every cell is confirmed, every change is found."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import BlobStore, read_records
from pipeline.config import Cell
from pipeline.optimization.engines.base import capabilities
from pipeline.optimization.optimize import optimize
from pipeline.records import Intent
from pipeline.values import Returns, frozen_array
from pipeline.walk import candidates
from replay.certificate import certify
from replay.history import History
from replay.reconstruct import Replayer
from tests.pipeline.optimization.markets import make_market, make_parameters

if TYPE_CHECKING:
    from pipeline.values import Payload
    from tests.conftest import Workplace

CELLS = [Cell(engine=entry.engine, risk_profile=entry.risk_profile) for entry in capabilities()]
OURS = [cell for cell in CELLS if cell.engine == "custom"]
CONVEX = ["min_variance", "max_sharpe", "max_diversification", "min_cvar", "black_litterman"]


def rising(n: int, k: int, seed: int = 1) -> tuple[Returns, dict[int, tuple[str, ...]]]:
    """Return a market in which every mean is positive."""
    returns, clusters = make_market(n, k, seed=seed)
    values = returns.values - returns.values.mean(axis=0) + np.linspace(4e-4, 9e-4, n)
    return Returns(returns.dates, returns.symbols, frozen_array(values)), clusters


def solved(
    cell: Cell, market: tuple[Returns, dict[int, tuple[str, ...]]], **options: object
) -> dict[str, Any]:
    """Return the recorded result of a cell, as it comes back from the ledger."""
    told: dict[str, object] = {"benchmark_symbols": market[0].symbols[:5], "beta_limits": (0.9, 9)}
    solution = optimize(
        *market,
        "turbulent",
        cell,
        make_parameters(**told | options),  # type: ignore[arg-type]
        periods_per_year=252,
        seed=1,
    )
    return cast("dict[str, Any]", json.loads(json.dumps(solution.to_payload())))


def confirmed(result: Payload, market: tuple[Returns, dict[int, tuple[str, ...]]]) -> bool:
    """Return whether the certificate holds."""
    return certify(result, *market).confirmed


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.label)
@pytest.mark.parametrize("cap", [1.0, 0.25])
def test_every_cell_is_confirmed(cell: Cell, cap: float) -> None:
    """With and without binding caps; only a tree that another engine cut to caps has none."""
    market = rising(20, 8)
    result = solved(cell, market, symbol_cap=cap, cluster_cap=cap, rule="relax")
    found = certify(result, *market)
    if cap < 1.0 and cell.label == "skfolio.hrp" and result["certificate"] is None:
        assert not found.confirmed
        return
    assert found.broken == ()
    assert found.confirmed
    json.dumps(found.to_payload(), allow_nan=False)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(OURS),
    st.tuples(st.integers(2, 16), st.integers(1, 8)),
    st.integers(0, 500),
    st.sampled_from(["relax", "cash"]),
    st.sampled_from(["sample", "ledoit_wolf", "constant_correlation", "exponential", "regime"]),
)
def test_every_market_is_confirmed(
    cell: Cell, size: tuple[int, int], seed: int, rule: str, estimator: str
) -> None:
    """Any size, rule and estimator of our engine; dropped symbols included."""
    n, k = size
    returns, clusters = rising(n, min(k, n), seed)
    values = returns.values.copy()
    if seed % 5 == 0 and n > 5:
        values[:, n - 1] = 0.0001
    market = Returns(returns.dates, returns.symbols, frozen_array(values)), clusters
    result = solved(
        cell,
        market,
        symbol_cap=0.3,
        cluster_cap=0.4,
        rule=rule,
        covariance_estimator=estimator,
        l2_penalty=0.05 * (seed % 2),
    )
    assert certify(result, *market).broken == ()


@pytest.mark.parametrize("cell", OURS, ids=lambda cell: cell.label)
def test_certificates_are_small(cell: Cell) -> None:
    """At 20 symbols a certificate adds at most 1.5 kB of canonical JSON."""
    result = solved(cell, rising(20, 8), symbol_cap=0.25, cluster_cap=0.25, rule="relax")
    assert len(json.dumps(result["certificate"], separators=(",", ":"))) <= 1536


@pytest.mark.parametrize(
    "cell",
    [cell for cell in CELLS if cell.risk_profile in CONVEX and cell.engine != "skfolio"],
    ids=lambda cell: cell.label,
)
def test_weights_that_were_moved_are_found(cell: Cell) -> None:
    """Half a percent from one held symbol to another, still within all limits."""
    market = rising(12, 6)
    result = solved(cell, market, symbol_cap=0.5)
    weights = result["weights"]
    held = sorted((s for s in weights if 0.01 < weights[s] < 0.45), key=weights.__getitem__)
    assert confirmed(result, market)
    weights[held[0]] -= 0.005
    weights[held[-1]] += 0.005
    found = certify(result, *market)
    assert not found.confirmed
    assert "gap" in {check.name for check in found.broken}


@pytest.mark.parametrize("profile", ["min_variance", "hrp", "herc", "min_cvar", "barbell"])
def test_other_returns_are_found(profile: str) -> None:
    """Two columns exchanged: what was the best is no longer."""
    returns, clusters = rising(24, 12)
    result = solved(Cell.model_validate({"risk_profile": profile}), (returns, clusters))
    values = returns.values[:, [1, 0, *range(2, 24)]]
    other = Returns(returns.dates, returns.symbols, frozen_array(values))
    assert confirmed(result, (returns, clusters))
    assert not confirmed(result, (other, clusters))


def altered(
    result: dict[str, Any], *path: str | int, by: float = 0.0, to: object = None
) -> Payload:
    """Return a copy with one value changed."""
    changed = copy.deepcopy(result)
    place: Any = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = place[path[-1]] + by if by else to
    return changed


def test_every_part_of_a_certificate_is_checked() -> None:
    """Prices, probabilities, merges, order, splits, shares, leaders: each change is found."""
    market = rising(24, 12)
    caps = {"symbol_cap": 0.12, "cluster_cap": 0.15, "rule": "relax"}

    def of(profile: str) -> dict[str, Any]:
        return solved(Cell.model_validate({"risk_profile": profile}), market, **caps)

    def broken(result: Payload) -> set[str]:
        return {check.name for check in certify(result, *market).broken}

    variance = of("min_variance")
    cluster, symbol = (
        next(iter(variance["certificate"]["prices"][k])) for k in ("clusters", "symbols")
    )
    path = ("certificate", "prices")
    assert broken(altered(variance, *path, "budget", by=0.01)) >= {"gap"}
    assert broken(altered(variance, *path, "clusters", cluster, by=0.01)) >= {"gap"}
    assert broken(altered(variance, *path, "symbols", symbol, by=0.01)) == {"stationarity"}
    assert "dual" in broken(altered(variance, *path, "clusters", cluster, by=-9.0))
    assert broken(altered(variance, "weights", "S000", by=0.5)) >= {"primal"}
    tail = of("min_cvar")
    assert broken(altered(tail, "certificate", "tail", "rows", 0, to=0)) >= {"gap"}
    row = next(iter(tail["certificate"]["tail"]["shares"]))
    assert "probabilities" in broken(altered(tail, "certificate", "tail", "shares", row, by=0.1))
    tree = of("hrp")["certificate"]
    result = of("hrp")
    assert broken(altered(result, "certificate", "splits", 3, by=0.01)) == {"splits"}
    assert "order" in broken(altered(result, "certificate", "order", 0, to=tree["order"][1]))
    assert "merges" in broken(altered(result, "certificate", "merges", 0, to=tree["merges"][5]))
    shares = of("risk_parity")
    assert "risk shares" in broken(altered(shares, "certificate", "shares", "S000", by=0.01))
    barbell = of("barbell")
    other = next(s for s in market[0].symbols if s not in barbell["certificate"]["leaders"])
    assert "leaders" in broken(altered(barbell, "certificate", "leaders", 0, to=other))
    neutral = of("market_neutral")
    assert "beta" in broken(altered(neutral, "certificate", "parameters", "beta_limit", to=0.01))


@pytest.mark.parametrize("cell", OURS, ids=lambda cell: cell.label)
def test_parameters_are_those_of_the_intent(cell: Cell) -> None:
    """A certificate made with another parameter than the intent declares is found."""
    market = rising(20, 8)
    told = {
        "benchmark_symbols": market[0].symbols[:5],
        "beta_limits": (0.9, 9),
        "risk_free_rate": 0.01,
        "covariance_estimator": "regime",
    }
    for rule in ("relax", "cash"):
        caps = {"symbol_cap": 0.1, "cluster_cap": 0.12, "rule": rule}
        result = solved(cell, market, **caps, **told)
        params = make_parameters(**caps, **told).model_dump(mode="json")  # type: ignore[arg-type]
        params["periods_per_year"] = 252
        assert certify(result, *market, params).broken == ()
        for name in set(result["certificate"].get("parameters", {})) - {"aggressive_share"}:
            other = copy.deepcopy(result["certificate"]["parameters"])
            case = {**result, "certificate": {**result["certificate"], "parameters": other}}
            assert certify(case, *market, params).confirmed
            other[name] = _another(other[name])
            assert "parameters" in {check.name for check in certify(case, *market, params).broken}


def _another(value: Any) -> Any:
    """Return another value that estimators and checks still understand."""
    if isinstance(value, list):
        return value[:-1]
    if isinstance(value, str):
        return "sample" if value != "sample" else "shrunk"
    return value * 0.9 if isinstance(value, float) and value else value + 1


def test_large_trees_are_grown_again() -> None:
    """Above 64 assets the record holds a digest; the verifier makes the tree itself."""
    for profile, size in (("hrp", 70), ("herc", 70), ("herc_cvar", 70), ("barbell", 140)):
        market = rising(size, 10)
        result = solved(Cell.model_validate({"risk_profile": profile}), market)
        assert "merges" not in result["certificate"]
        assert len(result["certificate"]["steps_sha256"]) == 64
        assert confirmed(result, market)


def test_views_without_reference_or_confidence_are_confirmed() -> None:
    """Declared benchmark symbols that are not there leave all symbols as the reference."""
    market = rising(8, 4)
    cell = Cell(risk_profile="black_litterman")
    told = {"confidence": 0.0}
    result = solved(cell, market, benchmark_symbols=("SPY",), black_litterman=told)
    assert confirmed(result, market)


def test_every_decision_of_a_walk_is_confirmed(walked_once: Workplace) -> None:
    """From the ledger and its blobs alone, as an auditor would: sleeves and meta-portfolio."""
    root = walked_once.root
    history = History(read_records(root / "ledger"), BlobStore(root / "blobs"))
    replayer = Replayer(history, {})
    ids = [id_ for id_ in history.decisions() if "/optimize/" in id_]
    for id_ in ids:
        record = history.decision(id_).intent
        intent = Intent.from_payload(record.data)
        panel, clusters = candidates(intent, replayer._evidence(intent, record)[0])
        result, _ = history.result(id_)
        found = certify(result, panel.returns(), clusters, intent.params)
        assert found.confirmed, (id_, found.broken)
    assert len(ids) > 40


def test_without_a_certificate_nothing_is_confirmed() -> None:
    """An older record says nothing, which is not a confirmation."""
    market = rising(4, 2)
    result = solved(Cell(), market)
    result["certificate"] = None
    found = certify(result, *market)
    assert (found.kind, found.confirmed, found.checks) == (None, False, ())


def test_no_solver_is_imported() -> None:
    """The checker loads numpy and nothing that solves."""
    code = (
        "import sys, replay.certificate; "
        "heavy = {'clarabel', 'cvxpy', 'scipy', 'skfolio', 'pandas'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        check=True,
        capture_output=True,
        text=True,
    )
    assert found.stdout.strip() == "[]"

"""The stage: laws that hold for every cell."""

from __future__ import annotations

import hashlib
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import Cell
from pipeline.errors import ConfigError, DataError, GateClosedError, SolverError
from pipeline.optimization.engines.base import capabilities
from pipeline.optimization.optimize import optimize
from pipeline.values import Returns, frozen_array
from tests.pipeline.optimization.markets import (
    make_market,
    make_parameters,
    make_returns,
    singletons,
)

if TYPE_CHECKING:
    from pipeline.config import RegimeName
    from pipeline.optimization.solution import Solution

CELLS = [Cell(engine=entry.engine, risk_profile=entry.risk_profile) for entry in capabilities()]
OURS = [cell for cell in CELLS if cell.engine == "custom"]
ROOT = Path(__file__).parents[3]


def run(
    cell: Cell,
    market: tuple[Returns, dict[int, tuple[str, ...]]],
    regime: RegimeName = "normal",
    **options: object,
) -> Solution:
    """Optimise a market with caps given by `options`."""
    everything: dict[str, object] = {"benchmark_symbols": market[0].symbols, "beta_limits": (9.0,)}
    params = make_parameters(**everything | options)  # type: ignore[arg-type]
    return optimize(*market, regime, cell, params, periods_per_year=252, seed=1)


def rising(
    n: int, k: int, seed: int = 1, rows: int = 251
) -> tuple[Returns, dict[int, tuple[str, ...]]]:
    """Return a market in which every mean is positive, so that every risk profile has weights."""
    returns, clusters = make_market(n, k, rows, seed)
    values = returns.values - returns.values.mean(axis=0) + np.linspace(4e-4, 9e-4, n)
    return Returns(returns.dates, returns.symbols, frozen_array(values)), clusters


def stands_for(cell: Cell, regime: RegimeName) -> Cell:
    """Return the cell that is solved when `cell` is asked for."""
    if cell.risk_profile != "adaptive":
        return cell
    return Cell(engine=cell.engine, risk_profile=make_parameters().adaptive.of(regime, None))


def assert_within(solution: Solution) -> None:
    """Check every limit from the payload alone."""
    weights = list(solution.weights.values())
    assert min(weights) >= 0.0
    assert abs(math.fsum(weights) + solution.cash - 1.0) < 1e-12
    assert max(weights) <= min(solution.caps.symbol_cap, solution.caps.cluster_cap)
    for row in solution.constraints:
        assert row.value <= row.limit + 1e-12


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(OURS),
    st.integers(1, 16),
    st.integers(1, 8),
    st.integers(0, 1000),
    st.sampled_from([(0.25, 0.25), (0.15, 0.2), (0.6, 1.0), (0.3, 0.34)]),
)
def test_every_limit_holds(
    cell: Cell, n: int, k: int, seed: int, caps: tuple[float, float]
) -> None:
    """Any market, any caps, both rules: bounds hold exactly, the total to 1e-12."""
    rule = "relax" if seed % 2 else "cash"
    market = rising(n, min(k, n), seed)
    assert_within(run(cell, market, symbol_cap=caps[0], cluster_cap=caps[1], rule=rule))


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.label)
@pytest.mark.parametrize("regime", ["quiet", "crisis"])
def test_two_sleeves_work_in_every_cell(cell: Cell, regime: RegimeName) -> None:
    """A meta-portfolio of two: each its own cluster, cap 95 %."""
    found = run(cell, rising(2, 2, rows=126), regime, symbol_cap=0.95)
    assert_within(found)
    assert found.actual == stands_for(cell, regime)
    assert found.cash == 0.0


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.label)
def test_one_asset_has_all_that_its_cap_allows(cell: Cell) -> None:
    """Cap 25 %: relaxed to 1, or a quarter and cash; `stop` closes the gate."""
    market = rising(1, 1)
    assert list(run(cell, market, symbol_cap=0.25, rule="relax").weights.values()) == [1.0]
    held = run(cell, market, symbol_cap=0.25, rule="cash")
    assert (list(held.weights.values()), held.cash) == ([0.25], 0.75)
    with pytest.raises(GateClosedError):
        run(cell, market, symbol_cap=0.25)


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.label)
def test_an_asset_that_does_not_move_is_dropped(cell: Cell) -> None:
    """A constant return in any risk profile, hrp above all: weight 0 and a reason, no NaN."""
    returns, clusters = rising(6, 6)
    values = returns.values.copy()
    values[:, 2] = 0.0005
    market = Returns(returns.dates, returns.symbols, frozen_array(values)), clusters
    found = run(cell, market, benchmark_symbols=("S000", "S001"))
    assert found.weights["S002"] == 0.0
    assert [entry.symbol for entry in found.dropped] == ["S002"]
    assert_within(found)
    json.dumps(found.to_payload(), allow_nan=False)


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.label)
def test_equal_columns_are_allowed(cell: Cell) -> None:
    """Two identical assets: correlation 1, a singular covariance, still weights within limits."""
    returns, clusters = rising(6, 6)
    values = returns.values.copy()
    values[:, 3] = values[:, 2]
    market = Returns(returns.dates, returns.symbols, frozen_array(values)), clusters
    assert_within(run(cell, market, symbol_cap=0.4))


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.label)
def test_more_assets_than_rows_are_allowed(cell: Cell) -> None:
    """Thirty assets on thirty rows: a singular covariance again."""
    assert_within(run(cell, rising(30, 6, rows=30), symbol_cap=0.25, cluster_cap=0.25))


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.label)
def test_caps_without_room_are_met(cell: Cell) -> None:
    """Four clusters at 25 % sum to 1 with nothing to spare: each weighs exactly that."""
    found = run(cell, rising(12, 4), symbol_cap=0.25, cluster_cap=0.25)
    assert_within(found)
    sums = [row.value for row in found.constraints if row.kind == "cluster_cap"]
    assert sums == pytest.approx([0.25] * 4, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([cell for cell in OURS if cell.risk_profile != "black_litterman"]),
    st.integers(0, 200),
    st.sampled_from([1e-3, 0.37, 12.5]),
)
def test_scaling_returns_leaves_weights(cell: Cell, seed: int, factor: float) -> None:
    """Returns in percent give the weights of returns in fractions; views have a size of their own.

    The covariance of black_litterman grows with the square of the factor, its views do not.
    """
    returns, clusters = rising(8, 4, seed)
    scaled = Returns(returns.dates, returns.symbols, frozen_array(returns.values * factor))
    one = run(cell, (returns, clusters), symbol_cap=0.3, cluster_cap=0.4)
    other = run(cell, (scaled, clusters), symbol_cap=0.3, cluster_cap=0.4)
    assert list(one.weights.values()) == pytest.approx(list(other.weights.values()), abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([cell for cell in OURS if cell.risk_profile not in {"hrp", "barbell"}]),
    st.permutations(range(8)),
)
def test_renaming_assets_permutes_weights(cell: Cell, order: list[int]) -> None:
    """Weights follow the asset, not its place; hrp is excepted, see its known limits."""
    returns, clusters = rising(8, 4)
    home = {s: c for c, members in clusters.items() for s in members}
    moved = Returns(returns.dates, returns.symbols, frozen_array(returns.values[:, order]))
    groups: dict[int, tuple[str, ...]] = {}
    for place, column in enumerate(order):
        cluster = home[returns.symbols[column]]
        groups[cluster] = (*groups.get(cluster, ()), returns.symbols[place])
    before = np.array(list(run(cell, (returns, clusters), symbol_cap=0.3).weights.values()))
    after = np.array(list(run(cell, (moved, groups), symbol_cap=0.3).weights.values()))
    assert np.abs(after - before[order]).max() < 1e-6


def test_the_order_of_clusters_and_memory_is_irrelevant() -> None:
    """Dictionary order, member order and column-major returns give the same payload."""
    returns, clusters = rising(9, 3)
    shuffled = {c: tuple(reversed(clusters[c])) for c in sorted(clusters, reverse=True)}
    columns = np.asfortranarray(returns.values)
    other = Returns(returns.dates, returns.symbols, columns)
    for cell in OURS:
        one = run(cell, (returns, clusters), symbol_cap=0.3, cluster_cap=0.4)
        two = run(cell, (other, shuffled), symbol_cap=0.3, cluster_cap=0.4)
        assert one.to_payload() == two.to_payload()


def test_caps_of_the_regime_are_used_and_recorded() -> None:
    """Crisis lowers the cap to 15 %."""
    returns, clusters = rising(16, 8)
    found = optimize(
        returns,
        clusters,
        "crisis",
        Cell(risk_profile="min_variance"),
        make_parameters().model_copy(
            update={
                "symbol_caps": make_parameters(0.25).symbol_caps.model_copy(update={"crisis": 0.15})
            }
        ),
        periods_per_year=252,
        seed=1,
    )
    assert (found.caps.regime, found.caps.symbol_cap) == ("crisis", 0.15)
    assert max(found.weights.values()) == 0.15


def test_failures_in_a_falling_market_are_recorded() -> None:
    """max_sharpe fails, the chain gives min_variance; requested and actual are both told."""
    returns, clusters = rising(6, 6)
    falling = Returns(returns.dates, returns.symbols, frozen_array(returns.values - 0.05))
    found = run(
        Cell(risk_profile="max_sharpe"),
        (falling, clusters),
        fallback=(Cell(risk_profile="min_variance"),),
    )
    assert (found.requested.label, found.actual.label) == (
        "custom.max_sharpe",
        "custom.min_variance",
    )
    assert [(a.cell.label, a.status) for a in found.fallbacks] == [
        ("custom.max_sharpe", "infeasible")
    ]


@pytest.mark.parametrize(
    ("change", "error"), [("hole", DataError), ("short", SolverError), ("engine", ConfigError)]
)
def test_unusable_inputs_are_refused(change: str, error: type[Exception]) -> None:
    """A hole, too few rows, an unknown engine: each its own error before any solve."""
    values = make_market(3, 3)[0].values.copy()
    if change == "hole":
        values[10, 1] = np.inf
    rows = values[:20] if change == "short" else values
    cell = Cell(engine="nonesuch" if change == "engine" else "custom")
    with pytest.raises(error):
        run(cell, (make_returns(rows), singletons("ABC")))


SCRIPT = """
import hashlib, json, sys
from pipeline.config import Cell
from tests.pipeline.optimization.test_optimize import CELLS, rising, run
market = rising(20, 8)
for cell in CELLS:
    if cell.engine in sys.argv[1:]:
        payload = run(cell, market, symbol_cap=0.25, cluster_cap=0.25).to_payload()
        digest = hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()
        print(cell.label, digest)
"""


def digests(*engines: str, **environment: str) -> str:
    """Return the digest of every cell of `engines`, computed in a fresh process."""
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, *engines],
        cwd=ROOT,
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


@pytest.mark.slow
def test_same_bytes_in_fresh_processes() -> None:
    """Hash seed and thread count do not reach the payload of any cell."""
    engines = sorted({cell.engine for cell in CELLS})
    one = digests(*engines, PYTHONHASHSEED="0", OMP_NUM_THREADS="1")
    two = digests(*engines, PYTHONHASHSEED="1", OMP_NUM_THREADS="2")
    assert one == two
    assert len(one.splitlines()) == len(CELLS)


def test_same_bytes_with_another_blas_kernel() -> None:
    """Our engine uses no BLAS: forcing another kernel changes nothing."""
    here = "".join(
        f"{cell.label} {hashlib.sha256(_canonical(cell)).hexdigest()}\n" for cell in OURS
    )
    assert digests("custom", OPENBLAS_CORETYPE="Prescott") == here


def _canonical(cell: Cell) -> bytes:
    found = run(cell, rising(20, 8), symbol_cap=0.25, cluster_cap=0.25)
    return json.dumps(found.to_payload(), sort_keys=True).encode()

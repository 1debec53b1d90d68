"""Equal problems give equal bytes: fresh processes, other hash seeds, threads and kernels."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

SCRIPT = """
import hashlib, json, sys
from pipeline.config import Cell
from pipeline.optimization.engines.base import capabilities, refusal
from pipeline.optimization.optimize import optimize
from pipeline.values import Holdings
from tests.pipeline.optimization.markets import make_parameters
from tests.pipeline.optimization.test_optimize import rising
size, engines = int(sys.argv[1]), sys.argv[2:]
returns, clusters = rising(size, 8)
book = Holdings(0.1, {s: 0.9 / size for s in returns.symbols})
asked = {
    "caps": {},
    "rows": {
        "sectors": {s: "abc"[i % 3] for i, s in enumerate(returns.symbols)},
        "sector_caps": dict.fromkeys(("quiet", "normal", "turbulent", "crisis"), 0.4),
        "trading": {"turnover_limit": 0.4},
    },
    "costs": {
        "trading": {
            "linear_bps": 5.0,
            "impact_coefficient": 0.5,
            "daily_volume": 30.0,
            "holding_days": 10,
        }
    },
}
for name, more in asked.items():
    told = {"benchmark_symbols": returns.symbols, "beta_limits": (9.0,), **more}
    params = make_parameters(0.25, 0.25, **told)
    for entry in capabilities():
        if entry.engine in engines and not refusal(entry, params):
            if name != "caps" and entry.risk_profile == "adaptive":
                continue
            cell = Cell(engine=entry.engine, risk_profile=entry.risk_profile)
            found = optimize(
                returns, clusters, "normal", cell, params,
                periods_per_year=252, seed=1, holdings=book,
            )
            text = json.dumps(found.to_payload(), sort_keys=True)
            print(name, cell.label, hashlib.sha256(text.encode()).hexdigest())
"""


def digests(size: int, *engines: str, **environment: str) -> list[str]:
    """Return the digest of every decision, taken in a fresh process with these variables."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, str(size), *engines],
        cwd=ROOT,
        env={**os.environ, **threads, **environment},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()


TWO = {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}


@pytest.mark.slow
@pytest.mark.parametrize("size", [20, 80])
def test_our_engine_knows_no_processor(size: int) -> None:
    """Every risk profile, limit and cost: three processors, two threads, another hash seed."""
    expected = digests(size, "custom", PYTHONHASHSEED="0")
    assert len(expected) > 25
    for core in ("Haswell", "SandyBridge", "Zen"):
        found = digests(size, "custom", PYTHONHASHSEED="7", OPENBLAS_CORETYPE=core, **TWO)
        assert found == expected, core


@pytest.mark.slow
def test_libraries_know_no_hash_seed_and_no_threads() -> None:
    """At twenty assets, the size of the bundled prices."""
    others = ("skfolio", "riskfolio", "pyportfolioopt", "cvxportfolio")
    expected = digests(20, *others, PYTHONHASHSEED="0")
    assert len(expected) > 30
    assert digests(20, *others, PYTHONHASHSEED="7", **TWO) == expected

"""The same inputs give the same bytes: in this process, in a fresh one, on another machine."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.config import SimulationParams, WalkForwardParams
from pipeline.meta.flatten import flatten
from pipeline.rebalance import rebalance
from pipeline.simulation.simulators.vectorized import simulate
from pipeline.simulation.walk_forward import windows
from pipeline.values import Holdings, Panel

ROOT = Path(__file__).parents[3]
PROGRAM = f"""
import importlib.util
spec = importlib.util.spec_from_file_location("determinism", {str(Path(__file__))!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
print(module.digest_of_a_run())
"""
EXPECTED = "5f49104e9e1c76f76f9adf81102518b78f9105327ec79f00cf5932ca6b5877fa"
"""Of additions, multiplications and divisions only, hence the same on every IEEE 754 machine."""


def _panel() -> Panel:
    """Return 60 rows of 9 symbols from integers alone, with a few holes."""
    state, closes = 12345, np.full((60, 9), 1000.0)
    for row in range(1, 60):
        for column in range(9):
            state = (1103515245 * state + 12345) % 2**31
            closes[row, column] = closes[row - 1, column] * (1.0 + (state % 401 - 199) / 8192.0)
    closes[17, 2] = closes[18, 2] = closes[40, 5] = np.nan
    return Panel.of(
        np.datetime64("2024-01-01") + np.arange(60), [f"S{i}" for i in range(9)], closes
    )


def digest_of_a_run() -> str:
    """Return the SHA-256 of every payload of a small walk-forward with long and short targets."""
    panel, payloads = _panel(), []
    params = WalkForwardParams(train_days=15, test_days=7, step_days=7)
    for mode in ("window", "daily"):
        simulation = SimulationParams(rebalance=mode)
        holdings = Holdings(1.0, {})
        for window in windows(60, params):
            chosen = {f"S{(window.ordinal + 2 * k) % 9}" for k in range(4)}
            targets = {s: (0.4 if int(s[1:]) % 3 else -0.3) for s in chosen}
            rows = panel.rows(window.decision_row - 2, window.test_stop)
            as_of = panel.dates[window.decision_row]
            decided = rebalance(holdings, targets, as_of, simulation)
            made = simulate(
                rows, holdings, decided.targets, simulation, initial_nav=1.0, as_of=as_of
            )
            holdings = made.holdings_end
            flat = flatten({"x": 0.7, "y": -0.2}, {"x": targets, "y": targets}, as_of=as_of)
            payloads += [decided.to_payload(), made.to_payload(), flat.to_payload()]
    text = json.dumps(payloads, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def test_run_has_the_pinned_bytes() -> None:
    """A change of any bit of any result is a change of the stage's version, on purpose."""
    assert digest_of_a_run() == EXPECTED


@pytest.mark.parametrize(("hash_seed", "threads"), [("0", "1"), ("4711", "2")])
def test_fresh_process_gives_the_same_bytes(hash_seed: str, threads: str) -> None:
    """Another hash seed orders sets differently; another thread count splits sums differently."""
    env = {
        "PYTHONHASHSEED": hash_seed,
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == EXPECTED

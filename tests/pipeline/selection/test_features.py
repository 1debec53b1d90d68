"""Raw features against hand-computed values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.config import SelectionParams
from pipeline.predictability import efficiency_ratio, hurst_exponent, permutation_entropy
from pipeline.selection.context import Context
from pipeline.selection.features import features, momentum, volatility
from pipeline.selection.universe import universe
from pipeline.values import Panel

if TYPE_CHECKING:
    from pipeline.selection.context import Features


def panel(rows: int, symbols: int = 2, seed: int = 1) -> Panel:
    """Return geometric random walks."""
    random = np.random.Generator(np.random.PCG64(seed))
    closes = 100.0 * np.exp(np.cumsum(0.01 * random.standard_normal((rows, symbols)), axis=0))
    names = [f"S{i}" for i in range(symbols)]
    return Panel.of(np.datetime64("2020-01-01") + np.arange(rows), names, closes)


def features_of(prices: Panel, params: SelectionParams | None = None) -> tuple[Features, ...]:
    """Run the first two stages."""
    context = Context(prices, prices.symbols, params or SelectionParams(), 252)
    return features(universe(context)).features


def test_momentum_compounds_and_leaves_out_the_last_rows() -> None:
    """1.1 x 1.1 - 1 = 0.21; the crash of the last row is not part of it."""
    returns = np.array([[0.1, 0.0], [0.1, 0.5], [-0.9, 0.2]])
    assert momentum(returns, 1) == pytest.approx([0.21, 0.5])
    assert momentum(returns, 0) == pytest.approx([1.21 * 0.1 - 1.0, 0.8])


def test_momentum_is_a_ratio_of_closes() -> None:
    """With 252 rows and a skip of 21: close of row 230 over close of row 0."""
    prices = panel(252)
    found = [one.momentum for one in features_of(prices)]
    assert found == pytest.approx((prices.closes[230] / prices.closes[0] - 1.0).tolist())


def test_momentum_without_rows_does_not_exist() -> None:
    """Twenty-one returns, all skipped."""
    assert [one.momentum for one in features_of(panel(22))] == [None, None]


def test_volatility_is_annualised_by_the_periods_of_the_market() -> None:
    """Sample deviation of 0.01, -0.01 is 0.01 sqrt 2; 365 periods for markets without sessions."""
    returns = np.array([[0.01], [-0.01]])
    assert volatility(returns, 252)[0] == pytest.approx(0.01 * math.sqrt(2 * 252))
    assert volatility(returns, 365)[0] == pytest.approx(0.01 * math.sqrt(2 * 365))


def test_predictability_uses_the_latest_feature_rows() -> None:
    """Entropy, Hurst and efficiency of the last 120 returns, the latter of log returns."""
    prices = panel(252)
    latest = prices.returns().values[-120:]
    found = features_of(prices)
    assert [one.entropy for one in found] == permutation_entropy(latest, 3).tolist()
    assert [one.hurst for one in found] == hurst_exponent(latest).tolist()
    logs = np.log(prices.closes[-120:] / prices.closes[-121:-1])
    assert [one.efficiency for one in found] == pytest.approx(efficiency_ratio(logs).tolist())


def test_what_cannot_be_computed_is_none() -> None:
    """Twenty rows have no Hurst exponent; a price that never moves has no efficiency."""
    prices = panel(21)
    closes = prices.closes.copy()
    closes[:, 1] = 50.0
    first, second = features_of(Panel.of(prices.dates, prices.symbols, closes))
    assert (first.hurst, second.hurst) == (None, None)
    assert first.efficiency is not None
    assert second.efficiency is None
    assert second.volatility == 0.0


def test_empty_universe_has_no_features() -> None:
    """No symbol, no feature, no error."""
    context = Context(panel(30), (), SelectionParams(), 252)
    assert features(universe(context)).features == ()

"""The market's measurements, by hand and against their nulls."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.predictability import percentile_of
from pipeline.regime.features import (
    BASKETS_MAX,
    baskets,
    market_proxy,
    turbulence,
    turbulence_null,
    volatility_ratio,
    volatility_ratio_null,
)

if TYPE_CHECKING:
    from pipeline.values import FloatArray


def noise(seed: int, rows: int, columns: int) -> FloatArray:
    """Return independent Gaussian values."""
    return np.random.Generator(np.random.PCG64(seed)).standard_normal((rows, columns))


def test_market_is_the_equal_weighted_mean() -> None:
    """Two symbols, two days."""
    assert market_proxy(np.array([[0.01, 0.03], [-0.02, 0.0]])) == pytest.approx([0.02, -0.01])


def test_volatility_ratio_equals_a_hand_computed_value() -> None:
    """Baseline 1, -1, 1, -1 (variance 4/3, mean 0); recent 2, 2 (mean square 4): sqrt 3."""
    series = np.array([1.0, -1.0, 1.0, -1.0, 2.0, 2.0])[:, None]
    assert volatility_ratio(series, 2)[0] == pytest.approx(math.sqrt(3.0))


def test_volatility_ratio_has_no_ceiling() -> None:
    """With the recent rows inside the baseline the ratio could not exceed sqrt(60 / 10) = 2.4."""
    series = noise(1, 60, 1)
    series[-10:] *= 100.0
    assert volatility_ratio(series, 10)[0] > 50.0


def test_volatility_ratio_sees_a_steady_fall() -> None:
    """Ten equal losses have no variance of their own, but they are no calm."""
    series = 0.01 * noise(2, 130, 1)
    series[-10:] = -0.03
    assert volatility_ratio(series, 10)[0] > 2.0


def test_volatility_ratio_without_a_baseline_is_not_a_number() -> None:
    """A baseline that did not move has no volatility to compare with."""
    series = np.concatenate([np.zeros((20, 1)), noise(3, 5, 1)])
    assert np.isnan(volatility_ratio(series, 5)).all()


def test_volatility_ratio_null_follows_the_f_distribution() -> None:
    """Median and 95 % point of the squared ratio are close to those of F(10, 119)."""
    null = np.array(volatility_ratio_null(10, 120)) ** 2
    assert np.quantile(null, [0.5, 0.95]) == pytest.approx([0.94, 1.91], abs=0.08)


@pytest.mark.parametrize("columns", [1, 4, 20])
def test_turbulence_equals_numpys_inverse(columns: int) -> None:
    """The mean of (r - mu)' S^-1 (r - mu) over the recent rows and columns."""
    values = noise(4, 130, columns)
    baseline, recent = values[:-10], values[-10:]
    deviations = recent - baseline.mean(axis=0)
    inverse = np.linalg.inv(np.atleast_2d(np.cov(baseline.T)))
    direct = np.einsum("ti,ij,tj->", deviations, inverse, deviations) / (10 * columns)
    assert turbulence(values, 10) == pytest.approx(direct)


@pytest.mark.property
@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000))
def test_turbulence_does_not_change_under_a_linear_map(seed: int) -> None:
    """Its null therefore needs no covariance: any invertible mix of the columns gives the same."""
    values = noise(seed, 60, 4)
    mix = noise(seed + 1, 4, 4) + 3.0 * np.eye(4)
    mixed = (values[:, :, None] * mix[None]).sum(axis=1)
    assert turbulence(mixed, 5) == pytest.approx(turbulence(values, 5), rel=1e-6)


def test_turbulence_null_equals_a_simulation_from_rows() -> None:
    """Drawing the covariance directly gives the same distribution as estimating it."""
    direct = np.array(turbulence_null(10, 16, 2))
    simulated = np.array([turbulence(noise(seed, 26, 2), 10) for seed in range(3000)])
    assert np.median(simulated) == pytest.approx(np.median(direct), rel=0.04)
    levels = [0.05, 0.25, 0.75, 0.95]
    assert np.quantile(simulated, levels) == pytest.approx(np.quantile(direct, levels), rel=0.1)


def test_turbulence_sees_a_broken_correlation() -> None:
    """Two symbols that always moved together part, without any larger move."""
    values = noise(5, 130, 1) + 0.1 * noise(6, 130, 2)
    before = percentile_of(turbulence(values, 10), turbulence_null(10, 120, 2))
    values[-10:, 1] *= -1.0
    after = percentile_of(turbulence(values, 10), turbulence_null(10, 120, 2))
    assert before < 0.99
    assert after == 1.0


@pytest.mark.parametrize("defect", ["constant", "equal"])
def test_turbulence_of_a_singular_baseline_is_not_a_number(defect: str) -> None:
    """A constant column or two equal ones have no inverse covariance."""
    values = noise(7, 130, 3)
    values[:, 2] = 0.01 if defect == "constant" else values[:, 1]
    assert math.isnan(turbulence(values, 10))


def test_baskets_keep_few_symbols_apart() -> None:
    """Up to ten symbols, and four baseline rows for each: every symbol is a column."""
    values = noise(8, 130, 10)
    assert baskets(values, 120) == pytest.approx(values)


@pytest.mark.property
@settings(deadline=None, max_examples=60)
@given(st.integers(1, 90), st.integers(1, 130))
def test_baskets_share_all_symbols_evenly(symbols: int, baseline: int) -> None:
    """Never more than the baseline can carry, sizes differ by one at most, no symbol is lost."""
    columns = np.eye(symbols)
    found = baskets(columns, baseline)
    assert found.shape[1] == min(symbols, BASKETS_MAX, max(1, baseline // 4))
    members = (found > 0.0).sum(axis=1)
    sizes = (found > 0.0).sum(axis=0)
    assert (members == 1).all()
    assert sizes.max() - sizes.min() <= 1

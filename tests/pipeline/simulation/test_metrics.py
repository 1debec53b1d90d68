"""Claims of `pipeline.simulation.metrics`."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import SimulationParams
from pipeline.errors import PipelineError
from pipeline.simulation.metrics import (
    Metrics,
    conditional_value_at_risk,
    max_drawdown,
    measure,
    measures_of,
    stitch,
    value_at_risk,
)
from pipeline.simulation.simulators.vectorized import simulate
from pipeline.values import Holdings, Panel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.values import Payload

FREE = SimulationParams(slippage_bps=0.0, commission_bps=0.0)
returns_lists = st.lists(st.floats(-0.5, 0.5), min_size=2, max_size=80)


def _windows(
    changes: Sequence[float], days: int, params: SimulationParams = FREE, weight: float = 1.0
) -> list[Payload]:
    """Simulate one asset held at `weight`, window after window."""
    closes = 100.0 * np.cumprod([1.0, *(1.0 + change for change in changes)])
    dates = np.datetime64("2024-01-01") + np.arange(len(closes))
    panel = Panel.of(dates, ["A"], closes[:, None])
    holdings, liquidated_at, found = Holdings(1.0, {}), None, []
    for first in range(0, len(changes), days):
        rows = panel.rows(first, first + days + 1)
        window = simulate(
            rows, holdings, {"A": weight}, params, initial_nav=1.0, liquidated_at=liquidated_at
        )
        holdings, liquidated_at = window.holdings_end, window.liquidated_at
        found.append(window.to_payload())
    return found


def _noise(days: int, seed: int = 11) -> list[float]:
    rng = np.random.Generator(np.random.PCG64(seed))
    found: list[float] = rng.normal(0.0005, 0.012, days).tolist()
    return found


def test_measures_by_hand() -> None:
    """+10 %, -20 %, +5 % at three periods a year.

    Growth 0.924. Mean -0.05 / 3; deviations 0.35 / 3, -0.55 / 3, 0.2 / 3, so the variance is
    0.465 / 9 / 2. The fall is 0.2 from the peak at 1.1.
    """
    found = measures_of([0.1, -0.2, 0.05], 3)
    deviation = math.sqrt(0.465 / 18.0)
    assert found.total_return == pytest.approx(-0.076)
    assert found.annual_return == pytest.approx(-0.076)
    assert found.volatility == pytest.approx(deviation * math.sqrt(3.0))
    assert found.sharpe == pytest.approx(-0.05 / 3.0 / deviation * math.sqrt(3.0))
    assert found.sortino == pytest.approx(-0.05 / 3.0 / math.sqrt(0.04 / 3.0) * math.sqrt(3.0))
    assert found.max_drawdown == pytest.approx(0.2)
    assert found.calmar == pytest.approx(-0.38)
    assert found.var_95 == found.cvar_95 == 0.2


def test_ten_windows_are_measured_once_on_the_stitched_series() -> None:
    """Accident: averaging annualised windows made 1853 % of ten windows of +1 % and -1 %.

    Five windows of +1 % and five of -1 % a day lose 0.5 % in truth; the mean of their annualised
    returns is a gain of several hundred percent.
    """
    changes = [0.01 if window % 2 == 0 else -0.01 for window in range(10) for _ in range(10)]
    series = stitch(_windows(changes, 10))
    found = measure(series, 100).net
    assert len(series.dates) == 100
    assert found.total_return == pytest.approx(1.01**50 * 0.99**50 - 1.0)
    assert found.annual_return == pytest.approx(found.total_return)
    averaged = (1.01**100 + 0.99**100) / 2.0 - 1.0
    assert found.annual_return == pytest.approx(-0.004987, abs=1e-6)
    assert averaged > 0.5
    assert found.sharpe == pytest.approx(0.0, abs=1e-12)


def test_annual_return_needs_a_year() -> None:
    """Ten days are not annualised; a year and more is."""
    assert measures_of([0.01] * 251, 252).annual_return is None
    assert measures_of([0.01] * 252, 252).annual_return == pytest.approx(1.01**252 - 1.0)
    assert measures_of([0.01] * 504, 252).annual_return == pytest.approx(1.01**252 - 1.0)


def test_drawdown_counts_the_first_day() -> None:
    """NAV = 1 stands before the first return."""
    assert max_drawdown([-0.3, 0.1]) == pytest.approx(0.3)
    assert max_drawdown([0.1, 0.1]) == 0.0
    assert max_drawdown([0.5, -0.2, 0.1, -0.25, 0.9]) == pytest.approx(1.0 - 0.8 * 1.1 * 0.75)


@pytest.mark.parametrize("constant", [0.0, 0.01, -0.003])
def test_series_without_deviation_has_no_sharpe_ratio(constant: float) -> None:
    """A ratio to nothing is no number, and no clipped one either."""
    found = measures_of([constant] * 37, 252)
    assert found.sharpe is None
    assert found.volatility == 0.0


def test_rounding_is_no_deviation() -> None:
    """Growth that differs in the last bit must not show as a Sharpe ratio of 1e15."""
    returns = [0.01, math.nextafter(0.01, 1.0)] * 25
    assert measures_of(returns, 252).sharpe is None


def test_series_without_a_loss_has_no_sortino_and_no_calmar() -> None:
    """Both divide by losses."""
    found = measures_of([0.01, 0.02] * 150, 252)
    assert (found.sortino, found.calmar, found.max_drawdown) == (None, None, 0.0)
    assert found.var_95 == -0.01


def test_single_return_has_no_deviation() -> None:
    """One observation has a total and a loss, and nothing that needs two."""
    found = measures_of([-0.02], 252)
    assert (found.volatility, found.sharpe) == (None, None)
    assert found.total_return == pytest.approx(-0.02)


def test_no_return_is_refused() -> None:
    """An empty series is not a series of zeros."""
    with pytest.raises(ValueError, match="at least one return"):
        measures_of([], 252)


def test_total_loss_is_minus_one_and_more_has_no_growth_rate() -> None:
    """-100 % is -100 % a year; below that there is no annual rate, and nothing is clipped."""
    assert measures_of([-1.0, 0.0], 2).annual_return == -1.0
    beyond = measures_of([-1.5, 0.0], 2)
    assert (beyond.total_return, beyond.annual_return, beyond.calmar) == (-1.5, None, None)
    assert beyond.max_drawdown == 1.5


def test_tail_of_forty_returns_by_hand() -> None:
    """Two of forty returns are the tail: VaR is the better of them, CVaR their mean."""
    returns = [0.001 * k for k in range(-10, 30)]
    assert value_at_risk(returns) == pytest.approx(0.009)
    assert conditional_value_at_risk(returns) == pytest.approx(0.0095)


def test_tail_counts_the_last_return_in_part() -> None:
    """Thirty returns: one and a half of them are the tail."""
    returns = [-0.06, -0.03, *[0.01] * 28]
    assert value_at_risk(returns) == pytest.approx(0.03)
    assert conditional_value_at_risk(returns) == pytest.approx((0.06 + 0.5 * 0.03) / 1.5)


@pytest.mark.parametrize("days", [7, 20, 100, 253, 777])
def test_measures_agree_with_pandas(days: int) -> None:
    """Mean, deviation, growth, drawdown and quantile of an independent library."""
    import pandas as pd  # noqa: PLC0415 - slow import

    found = measures_of(returns := _noise(days), 252)
    series = pd.Series(returns)
    nav = pd.concat([pd.Series([1.0]), (1.0 + series).cumprod()], ignore_index=True)
    assert found.total_return == pytest.approx(nav.iloc[-1] - 1.0)
    assert found.volatility == pytest.approx(series.std() * math.sqrt(252.0))
    assert found.sharpe == pytest.approx(series.mean() / series.std() * math.sqrt(252.0))
    assert found.max_drawdown == pytest.approx(-(nav / nav.cummax() - 1.0).min())
    tail = -series.quantile(0.05, interpolation="lower")
    assert found.var_95 == pytest.approx(-np.quantile(returns, 0.05, method="inverted_cdf"))
    assert found.var_95 <= tail + 1e-15


@pytest.mark.parametrize("days", [13, 37, 251, 777])
def test_measures_agree_with_skfolio(days: int) -> None:
    """VaR, CVaR and drawdown of an independent library, where the definitions agree."""
    from skfolio import measures  # noqa: PLC0415 - slow import

    found = measures_of(returns := _noise(days, seed=days), 252)
    array = np.array(returns)
    assert found.var_95 == pytest.approx(measures.value_at_risk(array, beta=0.95))
    assert found.cvar_95 == pytest.approx(measures.cvar(array, beta=0.95))
    nav = np.concatenate([[1.0], np.cumprod(1.0 + array)])
    drawdowns = nav / np.maximum.accumulate(nav) - 1.0
    assert found.max_drawdown == pytest.approx(-drawdowns.min())
    assert found.volatility == pytest.approx(measures.standard_deviation(array) * math.sqrt(252.0))


@pytest.mark.property
@given(returns_lists)
def test_measures_bound_each_other(returns: list[float]) -> None:
    """The mean tail loss is at least the tail's edge; drawdown lies in [0, 1]; all are finite."""
    found = measures_of(returns, 2)
    assert found.cvar_95 >= found.var_95 - 1e-12
    assert 0.0 <= found.max_drawdown <= 1.0
    assert found.max_drawdown >= -min(*returns, 0.0) - 1e-12
    assert json.dumps(found.to_payload(), allow_nan=False)


@pytest.mark.property
@given(returns_lists)
def test_order_matters_to_the_path_only(returns: list[float]) -> None:
    """Reversing the days changes the drawdown and nothing that is a sum."""
    there, back = measures_of(returns, 252), measures_of(returns[::-1], 252)
    assert (there.volatility, there.sharpe) == (back.volatility, back.sharpe)
    assert (there.var_95, there.cvar_95) == (back.var_95, back.cvar_95)


def test_stitched_series_holds_every_day_once() -> None:
    """Thirty days in three windows; returns compound to the NAVs of the book."""
    changes = _noise(30)
    series = stitch(_windows(changes, 10, SimulationParams()))
    assert len(series.dates) == len(set(series.dates)) == 30
    assert list(series.dates) == sorted(series.dates)
    assert len(series.turnovers) == 3
    nav = np.cumprod(1.0 + np.array(series.net_returns))
    assert list(series.nav) == pytest.approx(nav.tolist(), rel=1e-12)
    found = measure(series, 252)
    assert found.gross.total_return > found.net.total_return
    assert found.costs_total == pytest.approx(0.0006, rel=0.1)
    assert found.turnover_one_way_total == pytest.approx(1.0, abs=0.01)
    assert (found.days, found.first_date, found.last_date) == (30, "2024-01-02", "2024-01-31")


def test_liquidation_is_carried_to_the_metrics() -> None:
    """The day the floor was crossed stands beside the numbers it explains."""
    found = measure(stitch(_windows([0.0] * 5 + [0.9] + [0.5] * 14, 10, weight=-1.2)), 10)
    assert found.liquidated_at == "2024-01-07"
    assert found.net.total_return == pytest.approx(-1.08)
    assert found.net.annual_return is None


def test_windows_that_overlap_are_refused() -> None:
    """A day measured twice is an inflated return."""
    first, second = _windows(_noise(20), 10)
    with pytest.raises(PipelineError, match="strictly increasing") as error:
        stitch([second, first])
    assert error.value.where == "between 2024-01-21 and 2024-01-02"


def test_day_simulated_twice_is_refused() -> None:
    """One common day is an overlap too, even when NAV happens to agree."""
    (window,) = _windows([0.0], 1)
    with pytest.raises(PipelineError, match="strictly increasing"):
        stitch([window, window])


def test_wealth_reset_between_windows_is_refused() -> None:
    """Accident: a NAV that restarted at 1 in each window made the volatility 114 %."""
    first, second = _windows(_noise(20), 10)
    with pytest.raises(PipelineError, match=r"starts again at 1\.0"):
        stitch([first, {**second, "nav_start": 1}])


def test_no_window_is_refused() -> None:
    """An empty list is not an empty series."""
    with pytest.raises(PipelineError, match="no simulated window"):
        stitch([])


def test_payload_round_trips_through_json() -> None:
    """What was written is what is read; the payload has the fields of the record."""
    found = measure(stitch(_windows(_noise(30), 10, SimulationParams())), 252)
    payload = found.to_payload()
    assert Metrics.from_payload(json.loads(json.dumps(payload, allow_nan=False))) == found
    assert payload["series"] == "stitched"
    assert list(found.gross.to_payload()) == [
        "total_return",
        "annual_return",
        "volatility",
        "sharpe",
        "sortino",
        "calmar",
        "max_drawdown",
        "var_95",
        "cvar_95",
    ]

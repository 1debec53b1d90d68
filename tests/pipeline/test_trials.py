"""Is the winner real: Sharpe ratios deflated by the number of tries, and overfitting by halving."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pipeline.config import TournamentParams
from pipeline.errors import SolverError
from pipeline.trials import (
    expected_maximum_sharpe,
    judge,
    moments,
    overfitting,
    probabilistic_sharpe,
    score,
)

if TYPE_CHECKING:
    from pipeline.values import Payload

YEAR = 250
"""Days of a year in the example of Bailey and Lopez de Prado (2014)."""


def test_deflated_sharpe_is_that_of_the_published_example() -> None:
    """Hundred trials, five years, Sharpe 2.5, skewness -3, kurtosis 10: 0.1132 and 0.9004."""
    hurdle = expected_maximum_sharpe(1 / (2 * YEAR), 100)
    assert hurdle == pytest.approx(0.1132, abs=5e-5)
    found = probabilistic_sharpe(2.5 / math.sqrt(YEAR), hurdle, 1250, -3.0, 10.0)
    assert found == pytest.approx(0.9004, abs=5e-5)


@pytest.mark.parametrize(("trials", "skewness", "kurtosis"), [(46, -3.0, 10.0), (88, 0.0, 3.0)])
def test_published_numbers_of_trials_reach_95_percent(
    trials: int, skewness: float, kurtosis: float
) -> None:
    """46 trials with these returns, or 88 with normal ones, give 0.9505."""
    hurdle = expected_maximum_sharpe(1 / (2 * YEAR), trials)
    found = probabilistic_sharpe(2.5 / math.sqrt(YEAR), hurdle, 1250, skewness, kurtosis)
    assert found == pytest.approx(0.9505, abs=1e-4)


def test_moments_are_those_of_scipy() -> None:
    """A second implementation: sample deviation in the Sharpe ratio, population moments else."""
    returns = np.random.default_rng(5).standard_t(4, 700) * 0.01 + 0.0004
    found = moments(returns.tolist())
    assert found.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1), rel=1e-12)
    assert found.skewness == pytest.approx(stats.skew(returns), rel=1e-10)
    assert found.kurtosis == pytest.approx(stats.kurtosis(returns, fisher=False), rel=1e-10)


@pytest.mark.parametrize("returns", [[0.01], [0.01] * 30])
def test_series_without_deviation_has_no_sharpe(returns: list[float]) -> None:
    """One return, or always the same: nothing is divided by rounding."""
    assert moments(returns).sharpe is None


def test_expected_maximum_is_near_the_mean_of_simulated_maxima() -> None:
    """The best of 50 standard normal draws, averaged over 20,000 repetitions, within 2 %."""
    best = np.random.default_rng(9).standard_normal((20_000, 50)).max(axis=1).mean()
    assert expected_maximum_sharpe(1.0, 50) == pytest.approx(best, rel=0.02)


@given(st.integers(1, 5000), st.floats(1e-8, 1e-2))
def test_hurdle_rises_with_the_number_of_trials(trials: int, variance: float) -> None:
    """One more try never lowers what the best must beat; one try has no best."""
    assert expected_maximum_sharpe(variance, 1) == 0.0
    assert expected_maximum_sharpe(variance, trials + 1) > expected_maximum_sharpe(variance, trials)


def slowly(returns: np.ndarray[Any, Any], blocks: int) -> tuple[float, float]:
    """Return PBO and probability of loss straight from the definition, with the logits."""
    parts = np.array_split(returns[len(returns) % blocks :], blocks)
    logits, losses = [], []
    for half in combinations(range(blocks), blocks // 2):
        inside = np.vstack([parts[i] for i in half])
        outside = np.vstack([parts[i] for i in range(blocks) if i not in half])
        best = int(np.argmax(inside.mean(axis=0) / inside.std(axis=0, ddof=1)))
        ratios = outside.mean(axis=0) / outside.std(axis=0, ddof=1)
        share = stats.rankdata(ratios)[best] / (returns.shape[1] + 1)
        logits.append(math.log(share / (1 - share)))
        losses.append(ratios[best] < 0)
    return float(np.mean([logit <= 1e-12 for logit in logits])), float(np.mean(losses))


@pytest.mark.parametrize(("days", "trials", "blocks"), [(203, 7, 6), (160, 4, 8), (90, 2, 4)])
def test_overfitting_is_that_of_the_definition(days: int, trials: int, blocks: int) -> None:
    """The sums over blocks give what stacking the rows of every halving gives."""
    returns = np.random.default_rng(days).normal(0.0002, 0.01, (days, trials))
    found = overfitting(returns, blocks)
    assert found is not None
    assert (found.probability, found.probability_of_loss) == slowly(returns, blocks)
    assert found.halvings == math.comb(blocks, blocks // 2) == sum(found.ranks.values())
    assert found.rows == days - days % blocks


def test_real_skill_is_not_overfitted_and_noise_is() -> None:
    """A trial with an edge is never in the worse half; noise is there half the time."""
    generator = np.random.default_rng(3)
    skilled = generator.normal(0.0, 0.01, (320, 9))
    skilled[:, 4] += 0.01
    found = overfitting(skilled, 8)
    assert found is not None
    assert (found.probability, found.probability_of_loss) == (0.0, 0.0)
    noise = [overfitting(generator.normal(0.0, 0.01, (160, 9)), 8) for _ in range(60)]
    share = np.mean([one.probability for one in noise if one is not None])
    assert 0.4 < share < 0.6


def test_trials_with_the_same_returns_share_their_rank() -> None:
    """Two equal trials: the best is at the median in every halving, and that counts as worse."""
    returns = np.random.default_rng(1).normal(0.0, 0.01, (80, 1)).repeat(2, axis=1)
    found = overfitting(returns, 4)
    assert found is not None
    assert found.probability == 1.0
    assert found.ranks == {"1.5": 6}


def test_too_little_to_halve_has_no_probability() -> None:
    """One trial, or blocks of one day: None, not a number."""
    returns = np.random.default_rng(1).normal(0.0, 0.01, (31, 3))
    assert overfitting(returns, 16) is None
    assert overfitting(returns[:, :1], 4) is None


def windows_of(returns: list[float]) -> list[dict[str, Any]]:
    """Return one simulated window with these returns."""
    days = [f"2020-01-{day:02d}" for day in range(1, len(returns) + 1)]
    nav = np.cumprod(1.0 + np.array(returns)).tolist()
    return [
        {
            "first_date": days[0],
            "last_date": days[-1],
            "dates": days,
            "gross_returns": returns,
            "net_returns": returns,
            "nav": nav,
            "nav_start": 1.0,
            "nav_end": nav[-1],
            "turnover_one_way": 0.5,
            "slippage_cost": 0.0,
            "commission_cost": 0.0,
            "costs": [0.0] * len(days),
            "holdings_end": {"cash": nav[-1], "positions": {}},
            "liquidated_at": None,
            "leavers": [],
            "missing_bars": [],
        }
    ]


def scored(rule: str, tried: int = 7) -> dict[str, Any]:
    """Return the scoreboard of three cells and one that failed."""
    draws = np.random.default_rng(2).normal(0.001, 0.01, (3, 24)).tolist()
    series = dict(zip(("custom.equal_weight", "custom.hrp", "custom.herc"), draws, strict=True))
    simulations = {label: windows_of(returns) for label, returns in series.items()}
    solutions: list[Payload] = [{"fallbacks": []}, {"fallbacks": [{"status": "failed"}]}]
    trials = {label: judge(found, solutions, 1, 252) for label, found in simulations.items()}
    params = TournamentParams.model_validate({"rule": rule, "blocks": 4})
    failed: list[Payload] = [{"cell": "custom.market_neutral", "windows": 1, "failed_windows": 1}]
    return score(trials, simulations, failed, tried, params)


@pytest.mark.parametrize("rule", ["sharpe", "total_return", "max_drawdown", "volatility"])
def test_rows_are_ranked_by_the_rule(rule: str) -> None:
    """Highest first; for risks lowest first."""
    found = scored(rule)
    values = [row["net"][rule] for row in found["rows"]]
    assert values == sorted(values, reverse=rule in {"sharpe", "total_return"})
    assert [row["rank"] for row in found["rows"]] == [1, 2, 3]


def test_scoreboard_compares_with_the_baseline_and_keeps_what_failed() -> None:
    """Equal weight is zero better than itself; failed cells stay listed, fallbacks count."""
    found = scored("sharpe")
    base = next(row for row in found["rows"] if row["cell"] == "custom.equal_weight")
    assert base["excess_sharpe"] == 0.0
    other = next(row for row in found["rows"] if row["cell"] == "custom.hrp")
    assert other["excess_sharpe"] == other["net"]["sharpe"] - base["net"]["sharpe"]
    assert [row["cell"] for row in found["failed"]] == ["custom.market_neutral"]
    assert other["fallbacks"] == 1


def test_more_tries_deflate_the_same_results() -> None:
    """The deflated Sharpe ratio falls with the number of trials that were recorded."""
    few, many = scored("sharpe", 4), scored("sharpe", 400)
    assert all(
        a["deflated_sharpe"] > b["deflated_sharpe"]
        for a, b in zip(few["rows"], many["rows"], strict=True)
    )
    assert few["rows"][0]["probabilistic_sharpe"] == many["rows"][0]["probabilistic_sharpe"]


def test_trial_that_was_not_walked_to_the_end_is_not_measured() -> None:
    """A part of the windows has no Sharpe ratio to compare with all windows of the others."""
    with pytest.raises(SolverError, match="walked through 1 of 2 windows"):
        judge(windows_of([0.01, -0.01]), [], 2, 252)

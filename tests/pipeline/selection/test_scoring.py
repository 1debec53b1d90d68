"""Scores: ranks by hand, their symmetry, and the signs of the features."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import SelectionParams
from pipeline.errors import ConfigError
from pipeline.selection.context import Context, Features, Score
from pipeline.selection.scoring import SCORED, percentile_ranks, scoring
from pipeline.values import Panel

PANEL = Panel.of(["2020-01-01"], ["A"], [[1.0]])


def symbol(name: str, **changed: float | None) -> Features:
    """Return an average symbol with changed features."""
    plain = Features(name, momentum=0.0, volatility=0.2, entropy=0.9, hurst=0.5, efficiency=0.1)
    return replace(plain, **changed)  # type: ignore[arg-type]


def scored(weights: dict[str, float], *features: Features) -> tuple[Score, ...]:
    """Score the symbols, all of them survivors."""
    context = Context(PANEL, ("A",), SelectionParams(weights=weights), 252)
    survivors = tuple(one.symbol for one in features)
    return scoring(replace(context, features=features, survivors=survivors)).scores


def test_ranks_share_their_average_on_ties() -> None:
    """10, 30, 10, 20 rank 1.5, 4, 1.5, 3 of 4."""
    assert percentile_ranks([10.0, 30.0, 10.0, 20.0]).tolist() == [0.375, 1.0, 0.375, 0.75]
    assert percentile_ranks([]).tolist() == []


@pytest.mark.property
@given(st.lists(st.integers(-3, 3) | st.just(-np.inf), min_size=1, max_size=12))
def test_ranks_keep_order_and_sum(values: list[float]) -> None:
    """Ranks order as the values do, and sum to (n + 1) / 2 whatever the ties."""
    ranks = percentile_ranks(values)
    assert ranks.sum() == pytest.approx((len(values) + 1) / 2)
    for i, a in enumerate(values):
        for j, b in enumerate(values):
            assert (a < b) == (ranks[i] < ranks[j])


def test_score_is_the_weighted_mean_of_ranks() -> None:
    """Momentum ranks 0.5 and 1, stability 1 and 0.5; weights 3 and 1."""
    found = scored(
        {"momentum": 3.0, "stability": 1.0},
        symbol("A", momentum=0.1, volatility=0.1),
        symbol("B", momentum=0.2, volatility=0.3),
    )
    assert found == (Score("A", 0.625, 2), Score("B", 0.875, 1))


@pytest.mark.parametrize(
    ("feature", "better", "worse"),
    [
        ("momentum", {"momentum": 0.3}, {"momentum": -0.3}),
        ("stability", {"volatility": 0.1}, {"volatility": 0.4}),
        ("efficiency", {"efficiency": 0.4}, {"efficiency": 0.01}),
        ("predictability", {"hurst": 0.8}, {"hurst": 0.5}),
        ("predictability", {"hurst": 0.2}, {"hurst": 0.6}),
    ],
)
def test_every_feature_has_the_right_sign(
    feature: str, better: dict[str, float], worse: dict[str, float]
) -> None:
    """Momentum up, volatility down, distance from the random walk up in either direction."""
    found = scored({feature: 1.0}, symbol("A", **worse), symbol("B", **better))
    assert [score.rank for score in found] == [2, 1]


def test_equal_scores_are_ranked_by_symbol() -> None:
    """Nothing tells them apart: the first symbol goes first."""
    found = scored({"momentum": 1.0}, symbol("A"), symbol("B"), symbol("C"))
    assert [score.rank for score in found] == [1, 2, 3]
    assert {score.score for score in found} == {2 / 3}


def test_feature_that_cannot_be_computed_ranks_below_all() -> None:
    """None is worse than the worst number; all None are equal."""
    found = scored(
        {"momentum": 1.0, "predictability": 1.0},
        symbol("A", momentum=-5.0, hurst=None),
        symbol("B", momentum=None, hurst=None),
    )
    assert [score.score for score in found] == [0.875, 0.625]


def test_vetoed_symbols_move_nobody() -> None:
    """Ranks are taken among the survivors only."""
    features = (symbol("A", momentum=0.1), symbol("B", momentum=0.2), symbol("C", momentum=0.3))
    context = Context(PANEL, ("A",), SelectionParams(weights={"momentum": 1.0}), 252)
    found = scoring(replace(context, features=features, survivors=("A", "C"))).scores
    assert found == (Score("A", 0.5, 2), Score("C", 1.0, 1))


def test_no_survivor_has_no_score() -> None:
    """Nothing to rank, no division by zero."""
    assert scored({"momentum": 1.0}) == ()


@pytest.mark.parametrize(
    "weights",
    [
        pytest.param({}, id="none"),
        pytest.param({"momentum": 0.0}, id="sum-zero"),
        pytest.param({"momentum": 2.0, "stability": -1.0}, id="negative"),
        pytest.param({"momentum": 1.0, "skewness": 1.0}, id="unknown"),
    ],
)
def test_weights_that_cannot_be_used_are_refused(weights: dict[str, float]) -> None:
    """The error names the features there are and what was found."""
    with pytest.raises(ConfigError, match="predictability") as caught:
        scored(weights, symbol("A"))
    assert caught.value.where == "selection.weights"


def test_defaults_weigh_known_features() -> None:
    """The manifest's default names exactly the features there are."""
    assert sorted(SelectionParams().weights) == list(SCORED)

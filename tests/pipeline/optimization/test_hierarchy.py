"""Trees and what is split along them, against hand-computed numbers and laws."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.optimization import hierarchy
from pipeline.statistics import covariance
from tests.pipeline.optimization.markets import make_market

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.values import FloatArray

PAIRS = np.array(
    [[1.0, 0.5, 0.0, 0.0], [0.5, 1.0, 0.0, 0.0], [0.0, 0.0, 4.0, 2.0], [0.0, 0.0, 2.0, 4.0]]
)
"""Two pairs, correlation .5 inside, variances 1 and 4."""


def variance(columns: Sequence[int], weights: FloatArray) -> float:
    """Return the variance of a portfolio under `PAIRS`."""
    return float(weights @ PAIRS[np.ix_(columns, columns)] @ weights)


def test_tree_of_two_pairs() -> None:
    """Pairs are joined first; the leaves of each stand side by side."""
    tree = hierarchy.grow(PAIRS)
    assert tree.merges == ((0, 1), (2, 3), (4, 5))
    assert tree.order == (0, 1, 2, 3)
    assert tree.leaves(6) == [0, 1, 2, 3]
    assert [hierarchy.cut(tree, count) for count in (1, 2, 4)] == [
        [[0, 1, 2, 3]],
        [[0, 1], [2, 3]],
        [[0], [1], [2], [3]],
    ]


def test_hrp_of_three_assets_by_hand() -> None:
    """A, B correlated .5, C apart: leaves C | A B, shares 6.84/33.88 and 27.04/33.88 * (9, 4)/13.

    The pair's inverse-variance weights are 9/13 and 4/13, its variance
    (81*.04 + 16*.09 + 72*.03)/169 = 6.84/169; C has .16 = 27.04/169.
    """
    matrix = np.array([[0.04, 0.03, 0.0], [0.03, 0.09, 0.0], [0.0, 0.0, 0.16]])
    pair = 27.04 / 33.88
    for method in ("single", "complete", "average", "ward"):
        found = hierarchy.hrp(matrix, method).weights
        expected = [pair * 9 / 13, pair * 4 / 13, 6.84 / 33.88]
        assert found.tolist() == pytest.approx(expected, abs=1e-15)


def test_hrp_of_two_pairs_by_hand() -> None:
    """Pairs with variances 1 and 4, correlation .5 inside: variances .75 and 3, shares .8, .2."""
    pair = np.array([[1.0, 0.5], [0.5, 1.0]])
    matrix = np.block([[pair, np.zeros((2, 2))], [np.zeros((2, 2)), 4.0 * pair]])
    assert hierarchy.hrp(matrix).weights.tolist() == pytest.approx([0.4, 0.4, 0.1, 0.1])


def test_hrp_of_one_and_two_assets() -> None:
    """One asset has all; two are weighed by inverse variance."""
    assert hierarchy.hrp(np.array([[2.0]])).weights.tolist() == [1.0]
    assert hierarchy.hrp(np.diag([1.0, 3.0])).weights.tolist() == pytest.approx([0.75, 0.25])


def test_hrp_of_equal_columns_and_full_hedges_is_finite() -> None:
    """Distance 0 and variance 0 of a half are allowed."""
    assert hierarchy.hrp(np.ones((3, 3))).weights.sum() == pytest.approx(1.0)
    hedge = np.array([[1.0, -1.0], [-1.0, 1.0]])
    matrix = np.block([[hedge, np.zeros((2, 2))], [np.zeros((2, 2)), hedge]])
    assert np.isfinite(hierarchy.hrp(matrix).weights).all()


@given(st.integers(2, 15), st.integers(0, 200))
def test_hrp_is_positive_and_sums_to_one(n: int, seed: int) -> None:
    """Long-only and fully invested by construction."""
    returns, _ = make_market(n, min(n, 4), seed=seed)
    weights = hierarchy.hrp(covariance(returns.values)).weights
    assert weights.min() > 0.0
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)


def test_steps_rebuild_the_weights() -> None:
    """The shares in the record, multiplied along the halves, are the weights."""
    returns, _ = make_market(7, 3)
    split = hierarchy.hrp(covariance(returns.values))
    weights, shares, pending = dict.fromkeys(range(7), 1.0), iter(split.shares), [(0, 7)]
    while pending:
        first, stop = pending.pop()
        middle, share = first + (stop - first) // 2, next(shares)
        for place in range(first, stop):
            weights[split.tree.order[place]] *= share if place < middle else 1.0 - share
        pending += [(a, b) for a, b in ((first, middle), (middle, stop)) if b - a > 1]
    assert [weights[i] for i in range(7)] == split.weights.tolist()


def test_herc_of_two_pairs_by_hand() -> None:
    """Two clusters of variance .75 and 3: shares .8 and .2, halves inside."""
    split = hierarchy.herc(PAIRS, 2, variance)
    assert split.shares == pytest.approx((0.8,))
    assert split.weights.tolist() == pytest.approx([0.4, 0.4, 0.1, 0.1])


def test_herc_of_single_assets_splits_down_the_tree() -> None:
    """Four clusters of one: the root compares 1 + 1 with 4 + 4, the pairs are halved."""
    split = hierarchy.herc(PAIRS, 4, variance)
    assert split.shares[0] == pytest.approx(0.8)
    assert split.weights.tolist() == pytest.approx([0.4, 0.4, 0.1, 0.1])


def test_herc_of_one_cluster_is_inverse_risk() -> None:
    """Nothing is split: 1, 1, 1/4, 1/4 over 2.5."""
    split = hierarchy.herc(PAIRS, 1, variance)
    assert split.shares == ()
    assert split.weights.tolist() == pytest.approx([0.4, 0.4, 0.1, 0.1])


def test_herc_of_one_asset_has_all() -> None:
    """More clusters than assets are as many as assets."""
    assert hierarchy.herc(np.eye(1), 3, variance).weights.tolist() == [1.0]


@given(st.integers(2, 15), st.integers(1, 15), st.integers(0, 200))
def test_cut_gives_disjoint_clusters_that_cover_all(n: int, count: int, seed: int) -> None:
    """As many clusters as asked for, each asset in exactly one."""
    returns, _ = make_market(n, min(n, 4), seed=seed)
    clusters = hierarchy.cut(hierarchy.grow(covariance(returns.values)), min(count, n))
    assert len(clusters) == min(count, n)
    assert sorted(column for members in clusters for column in members) == list(range(n))

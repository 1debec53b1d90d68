"""Trees with numpy alone, against the linkage of scipy and the decision's own code."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.optimization import hierarchy
from pipeline.statistics import correlation, correlation_distance, covariance
from replay.tree import descended, grown, halved, leaves_of, merge_excess
from tests.pipeline.optimization.markets import make_market


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 20), st.integers(1, 20), st.integers(0, 300))
def test_the_second_implementation_agrees(n: int, count: int, seed: int) -> None:
    """Merges, leaves, hrp and herc of any market are those of the decision."""
    matrix = covariance(make_market(n, min(n, 4), seed=seed)[0].values)
    tree = hierarchy.grow(matrix)
    distances = correlation_distance(correlation(matrix))
    assert grown(distances) == list(tree.merges)
    assert merge_excess(distances, tree.merges) < 1e-12
    assert leaves_of(tree.merges, 2 * n - 2, n) == list(tree.order)
    split = hierarchy.hrp(matrix)
    weights, shares = halved(matrix, tree.order)
    assert np.abs(weights - split.weights).max() < 1e-12
    assert shares.tolist() == pytest.approx(list(split.shares), abs=1e-12)

    def risk(columns: list[int], held: np.ndarray) -> float:
        return float(held @ matrix[np.ix_(columns, columns)] @ held)

    split = hierarchy.herc_variance(matrix, count)
    weights, shares = descended(tree.merges, n, count, risk)
    assert np.abs(weights - split.weights).max() < 1e-12
    assert shares.tolist() == pytest.approx(list(split.shares), abs=1e-12)


def test_impossible_merges_are_infinitely_wrong() -> None:
    """A branch joined with itself, or one that is gone."""
    distances = np.array([[0.0, 1.0, 2.0], [1.0, 0.0, 2.0], [2.0, 2.0, 0.0]])
    assert merge_excess(distances, [(0, 0)]) == math.inf
    assert merge_excess(distances, [(0, 1), (0, 2)]) == math.inf
    assert merge_excess(distances, [(0, 2), (1, 3)]) == pytest.approx(1.0)


def test_equal_assets_are_split_in_halves() -> None:
    """No risk on either side: half each."""
    weights, shares = halved(np.diag([1e-300, 1e-300]), [0, 1])
    assert (weights.tolist(), shares.tolist()) == ([0.5, 0.5], [0.5])
    assert halved(np.eye(1), [0])[0].tolist() == [1.0]

"""Risk profiles that need no solver, each as a function of moments and clusters.

Nothing here knows caps, problems or engines; sums run in a fixed order without BLAS, so that equal
returns give equal bytes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.optimization.hierarchy import hrp
from pipeline.statistics import correlation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.optimization.hierarchy import Split
    from pipeline.values import FloatArray

RISK_SHARE_TOLERANCE = 1e-12
"""Where coordinate descent stops: largest distance of a risk share from equality."""

RISK_PARITY_CYCLES = 2_000
"""Cycles after which risk shares that are still unequal count as a failure."""

UPPER_TAIL = 0.05
"""Share of the best returns that make the upper tail."""

CORE_HRP_MINIMUM = 10
"""Assets of the barbell's core from which on it is weighed by `hrp`, below equally."""


def equal_weight(count: int) -> FloatArray:
    """Return `1 / count` for each of `count` assets."""
    return np.full(count, 1.0 / count)


def benchmark(clusters: Sequence[Sequence[int]]) -> FloatArray:
    """Return equal weight over clusters and, inside each, over its members.

    Source: hierarchical equal weight, Raffinot (2017), "Hierarchical clustering-based asset
    allocation".
    """
    weights = np.zeros(sum(len(members) for members in clusters))
    for members in clusters:
        weights[list(members)] = 1.0 / (len(clusters) * len(members))
    return weights


@dataclass(frozen=True, slots=True, eq=False)
class RiskParity:
    """Weights with equal risk shares, and how exactly.

    Attributes
    ----------
    weights : ndarray of shape (n_assets,)
        Positive, summing to 1.
    deviation : float
        Largest distance of a risk share from `1 / n_assets`.
    cycles : int
        Cycles of coordinate descent.
    """

    weights: FloatArray
    deviation: float
    cycles: int


def risk_parity(covariances: FloatArray) -> RiskParity:
    """Return the long-only weights whose assets contribute equally to the variance.

    The minimum of `y'Cy / 2 - sum(ln y) / n` over positive `y`, with the correlation matrix `C`,
    has `y_i (Cy)_i = 1 / n`; there is no budget constraint, which would destroy the equality.
    Cyclical coordinate descent solves the quadratic equation of one coordinate at a time. Weights
    are `y` over the standard deviations, divided by their sum.

    Sources: Spinu (2013), "An algorithm for computing risk parity weights"; Griveau-Billion,
    Richard and Roncalli (2013), "A fast algorithm for computing high-dimensional risk parity
    portfolios".

    Parameters
    ----------
    covariances : ndarray of shape (n_assets, n_assets)
        Positive diagonal. If a portfolio of positive weights has no variance at all, there is no
        solution and the deviation stays large.
    """
    n = len(covariances)
    matrix, target = correlation(covariances), 1.0 / n
    y = np.full(n, 1.0 / math.sqrt(max(float(matrix.sum()), target)))
    deviation, cycle = math.inf, 0
    while deviation > RISK_SHARE_TOLERANCE and cycle < RISK_PARITY_CYCLES:
        _descend(matrix, y, target)
        cycle += 1
        deviation = _share_deviation(matrix, y)
    deviations = np.sqrt(np.diagonal(covariances))
    return RiskParity(_normalised(y / deviations), deviation, cycle)


def _descend(matrix: FloatArray, y: FloatArray, target: float) -> None:
    """Run one cycle over the coordinates of `y`, in place; `matrix` has a diagonal of ones."""
    gradient = (matrix * y).sum(axis=1)
    values = y.tolist()
    for i, value in enumerate(values):
        others = float(gradient[i]) - value
        root = math.sqrt(others * others + 4.0 * target)
        # Both forms are the positive root; each is used where it does not cancel.
        better = 2.0 * target / (others + root) if others > 0.0 else 0.5 * (root - others)
        gradient += matrix[i] * (better - value)
        y[i] = better


def _share_deviation(covariances: FloatArray, weights: FloatArray) -> float:
    shares = risk_shares(covariances, weights)
    return float(np.abs(shares - 1.0 / len(shares)).max())


def risk_shares(covariances: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the share of each asset in the variance, `w_i (Sw)_i / w'Sw`; they sum to 1.

    Where the assets cancel fully there is no variance to share and all shares are 0.
    """
    contributions: FloatArray = weights * (covariances * weights).sum(axis=1)
    variance = math.fsum(contributions.tolist())
    return contributions / variance if variance > 0.0 else np.zeros(len(weights))


def antifragility(returns: FloatArray) -> FloatArray:
    """Return a score in (0, 1]: how much an asset gains from large moves, against the others.

    The mean of two cross-sectional ranks (average rank for ties, divided by the number of
    assets): the skewness of the returns and the mean of the best 5 % of them (rounded up to whole
    rows). Only the rows given are used.

    Parameters
    ----------
    returns : ndarray of shape (n_rows, n_assets)
        Each column with a positive variance.
    """
    rows = len(returns)
    centred = returns - returns.sum(axis=0) / rows
    squares = centred * centred
    variance = squares.sum(axis=0) / rows
    skewness = (squares * centred).sum(axis=0) / rows / (variance * np.sqrt(variance))
    best = np.sort(returns, axis=0)[rows - math.ceil(UPPER_TAIL * rows) :]
    tail = np.ascontiguousarray(best).sum(axis=0) / len(best)
    score: FloatArray = (_ranks(skewness) + _ranks(tail)) / 2.0
    return score


def _ranks(values: FloatArray) -> FloatArray:
    below = (values[:, None] > values).sum(axis=1)
    equal = (values[:, None] == values).sum(axis=1)
    ranks: FloatArray = (below + (equal + 1.0) / 2.0) / len(values)
    return ranks


def barbell_leaders(
    scores: FloatArray, clusters: Sequence[Sequence[int]], maximum: int
) -> list[tuple[int, int]]:
    """Return `(cluster, leader)` of the aggressive side, best leader first.

    The leader of a cluster is its member with the highest score; clusters are ranked by their
    leader's score, ties by column. The side has `min(maximum, max(1, K // 2), K - 1)` of the `K`
    clusters: never all, and none of a single one.
    """
    leaders = [min(members, key=lambda i: (-scores[i], i)) for members in clusters]
    ranked = sorted(range(len(clusters)), key=lambda c: (-scores[leaders[c]], leaders[c]))
    count = min(maximum, max(1, len(clusters) // 2), len(clusters) - 1)
    return [(cluster, leaders[cluster]) for cluster in ranked[:count]]


def barbell_core(covariances: FloatArray) -> Split | None:
    """Return the split of the core by `hrp` from ten assets on; below, `None`: held equally."""
    return hrp(covariances) if len(covariances) >= CORE_HRP_MINIMUM else None


def _normalised(weights: FloatArray) -> FloatArray:
    return weights / math.fsum(weights.tolist())

"""Trees of assets, and the risk profiles that split the weight along them.

Every result carries its steps: which branches were joined, the order of the leaves, and the share
of the first side at each split. Anyone can follow them with a pencil; there is no solver to trust.
Sums run in a fixed order without BLAS.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage

from pipeline.optimization.tail import RISK_FLOOR, portfolio_losses, tail_loss
from pipeline.statistics import correlation, correlation_distance

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.values import FloatArray

Linkage: TypeAlias = Literal["single", "complete", "average", "ward"]

HRP_LINKAGE: Linkage = "ward"
"""The paper uses `single`, which chains; `ward` is what the selection clusters with."""


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """A dendrogram of `n` assets.

    Attributes
    ----------
    merges : tuple of (int, int)
        The two branches joined at each step; assets are 0 to n - 1, step `i` makes branch `n + i`.
    order : tuple of int
        The leaves from left to right.
    """

    merges: tuple[tuple[int, int], ...]
    order: tuple[int, ...]

    def leaves(self, branch: int) -> list[int]:
        """Return the assets of a branch, from left to right."""
        n, found, pending = len(self.order), [], [branch]
        while pending:
            node = pending.pop()
            if node < n:
                found.append(node)
            else:
                pending += reversed(self.merges[node - n])
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Weights that a tree gave, with the way to them.

    Attributes
    ----------
    weights : ndarray of shape (n_assets,)
        Non-negative, summing to 1.
    tree : Tree
        What was split.
    shares : tuple of float
        Share of the first side at each split, in the order in which they were made.
    """

    weights: FloatArray
    tree: Tree
    shares: tuple[float, ...]


def grow(covariances: FloatArray, method: Linkage = HRP_LINKAGE) -> Tree:
    """Return the tree over the distances `sqrt((1 - rho) / 2)`."""
    n = len(covariances)
    if n == 1:
        return Tree((), (0,))
    distances = correlation_distance(correlation(covariances))
    joined = linkage(distances[np.triu_indices(n, 1)], method=method)
    merges = tuple((int(a), int(b)) for a, b in joined[:, :2].tolist())
    return Tree(merges, tuple(int(leaf) for leaf in leaves_list(joined)))


def hrp(covariances: FloatArray, method: Linkage = HRP_LINKAGE) -> Split:
    """Return hierarchical risk parity: the ordered leaves, halved again and again.

    Of two halves each gets the share of the other in the sum of their variances, where the
    variance of a half is that of its inverse-variance portfolio. Halves are split last first.

    Source: Lopez de Prado (2016), "Building diversified portfolios that outperform out of sample".

    Known limits: which of two branches stands left follows the order of the columns (symbols
    ascend), and halves of an odd list are unequal, so that renaming symbols can change weights.
    """
    n, tree = len(covariances), grow(covariances, method)
    order = list(tree.order)
    inverse = 1.0 / np.diagonal(covariances)[order]
    weighted = covariances[np.ix_(order, order)] * inverse[:, None] * inverse
    weights = np.ones(n)
    shares: list[float] = []
    pending = [(0, n)] if n > 1 else []
    while pending:
        first, stop = pending.pop()
        middle = first + (stop - first) // 2
        left = _half_variance(weighted, inverse, first, middle)
        right = _half_variance(weighted, inverse, middle, stop)
        share = _first_share(left, right)
        weights[first:middle] *= share
        weights[middle:stop] *= 1.0 - share
        shares.append(share)
        pending += [(a, b) for a, b in ((first, middle), (middle, stop)) if b - a > 1]
    result = np.empty(n)
    result[order] = weights
    return Split(result, tree, tuple(shares))


def _half_variance(weighted: FloatArray, inverse: FloatArray, first: int, stop: int) -> float:
    """Return the variance of the inverse-variance portfolio of a run of leaves."""
    total = float(inverse[first:stop].sum())
    return max(0.0, float(weighted[first:stop, first:stop].sum())) / (total * total)


def _first_share(first: float, second: float) -> float:
    """Return the share of a side of risk `first` against one of risk `second`."""
    return 1.0 - first / (first + second) if first + second > 0.0 else 0.5


def herc(
    covariances: FloatArray,
    count: int,
    risk: Callable[[Sequence[int], FloatArray], float],
) -> Split:
    """Return hierarchical equal risk contribution weights over `count` clusters.

    The tree is cut into `count` clusters. Inside each the weights are inversely proportional to
    the risk of the assets; from the root down each split gives a side the share of the other in
    the summed risks of their clusters.

    Source: Raffinot (2018), "The hierarchical equal risk contribution portfolio".

    Parameters
    ----------
    covariances : ndarray of shape (n_assets, n_assets)
        Positive diagonal; the tree is grown from it.
    count : int
        Clusters to cut into, at most one for each asset.
    risk : callable
        `risk(columns, weights)` of a portfolio of some assets, non-negative.
    """
    n, tree = len(covariances), grow(covariances)
    count = min(count, n)
    splits = range(2 * n - 2, 2 * n - 1 - count, -1)
    clusters = cut(tree, count)
    inside, risks = np.ones(n), []
    for columns in clusters:
        single = [risk([column], np.ones(1)) for column in columns]
        naive = _inverse(np.array(single))
        inside[columns] = naive
        risks.append(risk(columns, naive))
    across, shares = np.ones(len(clusters)), []
    for branch in splits:
        left, right = (
            [c for c, columns in enumerate(clusters) if columns[0] in leaves]
            for leaves in (set(tree.leaves(side)) for side in tree.merges[branch - n])
        )
        share = _first_share(math.fsum(risks[c] for c in left), math.fsum(risks[c] for c in right))
        across[left] *= share
        across[right] *= 1.0 - share
        shares.append(share)
    for columns, weight in zip(clusters, across.tolist(), strict=True):
        inside[columns] *= weight
    return Split(inside / math.fsum(inside.tolist()), tree, tuple(shares))


def herc_variance(covariances: FloatArray, count: int) -> Split:
    """Return `herc` with the variance as risk."""

    def variance(columns: Sequence[int], weights: FloatArray) -> float:
        part = covariances[np.ix_(list(columns), list(columns))]
        return max(0.0, math.fsum(((part * weights).sum(axis=1) * weights).tolist()))

    return herc(covariances, count, variance)


def herc_tail(covariances: FloatArray, count: int, returns: FloatArray, level: float) -> Split:
    """Return `herc` with the mean of the worst `1 - level` losses as risk."""

    def risk(columns: Sequence[int], weights: FloatArray) -> float:
        losses = portfolio_losses(returns[:, list(columns)], weights)
        return max(RISK_FLOOR, tail_loss(losses, level))

    return herc(covariances, count, risk)


def cut(tree: Tree, count: int) -> list[list[int]]:
    """Return the `count` branches left when the last `count - 1` merges are undone."""
    n = len(tree.order)
    top, branches = 2 * n - 1 - count, [2 * n - 2]
    while any(branch > top for branch in branches):
        last = max(branches)
        place = branches.index(last)
        branches[place : place + 1] = tree.merges[last - n]
    return [sorted(tree.leaves(branch)) for branch in branches]


def _inverse(risks: FloatArray) -> FloatArray:
    inverse = 1.0 / risks
    weights: FloatArray = inverse / math.fsum(inverse.tolist())
    return weights

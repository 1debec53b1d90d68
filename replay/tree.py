"""Trees followed step by step: merges, leaves and splits, with numpy alone.

Written a second time on purpose: what took the decision is `pipeline.optimization.hierarchy` with
the linkage of scipy, what confirms it is this.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.values import FloatArray

Risk: TypeAlias = "Callable[[list[int], FloatArray], float]"
"""Risk of a portfolio of some columns."""


def merge_excess(distances: FloatArray, merges: Sequence[tuple[int, int]]) -> float:
    """Return by how much a merge was further apart than the nearest pair (Ward), at worst."""
    ward, worst = Ward(distances), 0.0
    for one, other in merges:
        if not {one, other} <= ward.alive or one == other:
            return math.inf
        worst = max(worst, ward.apart(one, other) - ward.nearest()[0])
        ward.join(one, other)
    return worst


def grown(distances: FloatArray) -> list[tuple[int, int]]:
    """Return the merges of the nearest pairs, for a tree whose steps are not in the record."""
    ward, merges = Ward(distances), []
    for _ in range(len(distances) - 1):
        _, one, other = ward.nearest()
        merges.append((one, other))
        ward.join(one, other)
    return merges


class Ward:
    """Distances between branches, updated by the rule of Lance and Williams for Ward.

    Source: Lance and Williams (1967), "A general theory of classificatory sorting strategies".

    Parameters
    ----------
    distances : ndarray of shape (n, n)
        Between the leaves.
    """

    def __init__(self, distances: FloatArray) -> None:
        size = len(distances)
        self._far = np.full((2 * size, 2 * size), np.inf)
        self._far[:size, :size] = distances
        np.fill_diagonal(self._far, np.inf)
        self._sizes = dict.fromkeys(range(size), 1)
        self._next = size

    @property
    def alive(self) -> set[int]:
        """Branches that are not joined yet."""
        return set(self._sizes)

    def apart(self, one: int, other: int) -> float:
        """Return the distance of two branches."""
        return float(self._far[one, other])

    def nearest(self) -> tuple[float, int, int]:
        """Return the smallest distance and its pair, the lower branch first."""
        place = int(np.argmin(self._far))
        one, other = sorted(divmod(place, len(self._far)))
        return float(self._far[one, other]), one, other

    def join(self, one: int, other: int) -> None:
        """Make one branch of two; it gets the next number."""
        first, second, new = self._sizes.pop(one), self._sizes.pop(other), self._next
        apart = self._far[one, other]
        for branch, size in self._sizes.items():
            squared = (
                (size + first) * self._far[branch, one] ** 2
                + (size + second) * self._far[branch, other] ** 2
                - size * apart**2
            ) / (size + first + second)
            self._far[new, branch] = self._far[branch, new] = math.sqrt(max(0.0, squared))
        for gone in (one, other):
            self._far[gone, :] = self._far[:, gone] = np.inf
        self._sizes[new] = first + second
        self._next += 1


def leaves_of(merges: Sequence[tuple[int, int]], branch: int, count: int) -> list[int]:
    """Return the leaves of a branch from left to right; leaves are 0 to `count - 1`."""
    found, pending = [], [branch]
    while pending:
        node = pending.pop()
        if node < count:
            found.append(node)
        else:
            pending += reversed(merges[node - count])
    return found


def halved(covariance: FloatArray, order: Sequence[int]) -> tuple[FloatArray, FloatArray]:
    """Return weights and first shares of hierarchical risk parity along ordered leaves."""
    weights, shares = np.ones(len(order)), []
    pending = [list(order)] if len(order) > 1 else []
    while pending:
        leaves = pending.pop()
        halves = leaves[: len(leaves) // 2], leaves[len(leaves) // 2 :]
        risks = []
        for half in halves:
            naive = 1.0 / np.diagonal(covariance)[half]
            naive = naive / naive.sum()
            risks.append(max(0.0, float(naive @ covariance[np.ix_(half, half)] @ naive)))
        share = 1.0 - risks[0] / sum(risks) if sum(risks) > 0.0 else 0.5
        weights[halves[0]] *= share
        weights[halves[1]] *= 1.0 - share
        shares.append(share)
        pending += [half for half in halves if len(half) > 1]
    return weights, np.array(shares)


def descended(
    merges: Sequence[tuple[int, int]], size: int, count: int, risk: Risk
) -> tuple[FloatArray, FloatArray]:
    """Return the weights of equal risk contribution down the tree to `count` clusters."""
    opened = range(2 * size - 2, 2 * size - 1 - min(count, size), -1)
    ends = [side for branch in opened for side in merges[branch - size] if side not in opened]
    clusters = [leaves_of(merges, end, size) for end in ends or [2 * size - 2]]
    inside, risks, across = np.ones(size), [], np.ones(len(clusters))
    for columns in clusters:
        naive = np.array([1.0 / risk([column], np.ones(1)) for column in columns])
        inside[columns] = naive / naive.sum()
        risks.append(risk(columns, inside[columns]))
    shares = []
    for branch in opened:
        sides = [set(leaves_of(merges, side, size)) for side in merges[branch - size]]
        held = [[c for c, columns in enumerate(clusters) if columns[0] in side] for side in sides]
        first, second = (sum(risks[c] for c in side) for side in held)
        share = 1.0 - first / (first + second) if first + second > 0.0 else 0.5
        across[held[0]] *= share
        across[held[1]] *= 1.0 - share
        shares.append(share)
    for columns, weight in zip(clusters, across.tolist(), strict=True):
        inside[columns] *= weight
    return inside / inside.sum(), np.array(shares)

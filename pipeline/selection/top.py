"""How many symbols of each cluster are taken, by how much its members differ.

The members of a tight cluster move as one: one of them stands for all. Where they differ, more of
them bring diversification. The dispersion of a cluster is the mean variance of its members around
the mean of the cluster.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.config import SelectionParams
    from pipeline.values import Payload, Returns


@dataclass(frozen=True, slots=True)
class Top:
    """How many symbols of one cluster are taken.

    Attributes
    ----------
    cluster : int
        Its number.
    dispersion : float
        Mean squared distance of a member's return from the mean of the cluster, per period.
    wanted : float
        What the rule asks for, before rounding.
    count : int
        What is taken, if the cluster has as many.
    """

    cluster: int
    dispersion: float
    wanted: float
    count: int

    def to_payload(self) -> Payload:
        """Return one entry of `top`."""
        return {
            "cluster": self.cluster,
            "dispersion": self.dispersion,
            "wanted": self.wanted,
            "count": self.count,
        }

    @classmethod
    def from_payload(cls, payload: Payload) -> Top:
        """Return the entry that `to_payload` wrote."""
        told = cast("dict[str, float]", payload)
        return cls(
            int(told["cluster"]),
            float(told["dispersion"]),
            float(told["wanted"]),
            int(told["count"]),
        )


def top_counts(
    returns: Returns, clusters: Mapping[int, Sequence[str]], params: SelectionParams
) -> tuple[Top, ...]:
    """Return how many symbols of each cluster are taken, ascending by cluster.

    A cluster asks for `top_per_cluster * (dispersion / median dispersion) ** top_exponent`, at
    least 1, at most `top_cluster_max` and its size; the median is that of the clusters with two
    members or more, and a cluster of one asks for 1. If the rounded numbers come to more than
    `top_total_max`, all are lowered in proportion and the places that are left go to the largest
    remainders, ties to the lower number; every cluster keeps one.
    """
    numbers = sorted(clusters)
    spread = {number: dispersion(returns, clusters[number]) for number in numbers}
    wide = sorted(spread[number] for number in numbers if len(clusters[number]) > 1)
    middle = float(np.median(wide)) if wide else 0.0
    wanted = {n: _wanted(spread[n], middle, len(clusters[n]), params) for n in numbers}
    counts = {n: _rounded(wanted[n]) for n in numbers}
    if sum(counts.values()) > params.top_total_max:
        counts = _shared(wanted, max(params.top_total_max, len(numbers)))
    return tuple(Top(n, spread[n], wanted[n], counts[n]) for n in numbers)


def dispersion(returns: Returns, members: Sequence[str]) -> float:
    """Return the mean squared distance of the members' returns from their mean, 0 for one."""
    if len(members) == 1:
        return 0.0
    values = returns.columns(members).values
    centre = values.sum(axis=1) / len(members)
    apart = values - centre[:, None]
    return math.fsum((apart * apart).ravel().tolist()) / values.size


def _wanted(spread: float, middle: float, size: int, params: SelectionParams) -> float:
    if size == 1:
        return 1.0
    ratio = spread / middle if middle > 0.0 else 1.0
    asked = params.top_per_cluster * ratio**params.top_exponent
    return float(min(max(asked, 1.0), params.top_cluster_max, size))


def _rounded(value: float) -> int:
    return max(1, math.floor(value + 0.5))


def _shared(wanted: Mapping[int, float], places: int) -> dict[int, int]:
    """Share `places` among the clusters in proportion to what they want, one at least for each."""
    total = math.fsum(wanted.values())
    parts = {n: max(1.0, value * places / total) for n, value in wanted.items()}
    counts = {n: math.floor(part) for n, part in parts.items()}
    ranked = sorted(parts, key=lambda n: (counts[n] - parts[n], n))
    left = places - sum(counts.values())
    for n in ranked[: max(0, left)]:
        counts[n] += 1
    while sum(counts.values()) > places:
        counts[max(counts, key=lambda n: (counts[n], -n))] -= 1
    return counts

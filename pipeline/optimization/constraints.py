"""Limits on weights: caps by regime, the set they describe, and the nearest point of that set.

The set is `{w : sum(w) = total, 0 <= w <= upper, sum of each cluster <= cluster_cap}` where the
clusters are disjoint and cover all symbols.

Invariants:
    1. `resolve_caps` returns caps that `total` fits into, or raises; it never shrinks a cap.
    2. `project` returns a point of the set; it is the nearest one (Euclidean distance).
    3. A point of the set is its own projection, bit for bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from pipeline.errors import GateClosedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.config import OptimizationParams, RegimeName
    from pipeline.values import FloatArray, Payload

CapRule: TypeAlias = Literal["none", "relax", "cash"]

CAPACITY_TOLERANCE = 1e-12
"""Caps that sum to 1 up to rounding count as summing to 1."""

SUM_TOLERANCE = 1e-13
"""How far the sum of exact weights may be from its target: rounding of some hundred additions."""

SATURATION_TOLERANCE = 1e-9
"""Room below which the set has no interior: every cluster then weighs all that it may."""


@dataclass(frozen=True, slots=True)
class Caps:
    """The caps in force and how they came about.

    Attributes
    ----------
    regime : str
        Regime they belong to.
    symbol_cap, cluster_cap : float
        In force, as fractions of NAV.
    symbol_cap_requested, cluster_cap_requested : float
        As configured for the regime.
    rule : {"none", "relax", "cash"}
        `none`: the requested caps can sum to 1. Otherwise the declared rule that was applied.
    """

    regime: RegimeName
    symbol_cap: float
    cluster_cap: float
    symbol_cap_requested: float
    cluster_cap_requested: float
    rule: CapRule

    def to_payload(self) -> Payload:
        """Return the `caps` of an optimize result."""
        return {
            "regime": self.regime,
            "symbol_cap": self.symbol_cap,
            "cluster_cap": self.cluster_cap,
            "symbol_cap_requested": self.symbol_cap_requested,
            "cluster_cap_requested": self.cluster_cap_requested,
            "rule": self.rule,
        }


@dataclass(frozen=True, slots=True)
class GroupCaps:
    """The group caps in force and how they came about.

    Attributes
    ----------
    sector_cap, asset_class_cap : float or None
        In force, as fractions of NAV; `None` where none is declared.
    sector_cap_requested, asset_class_cap_requested : float or None
        As declared for the regime.
    rule : {"none", "relax", "cash"}
        `none`: what is to be invested fits. Otherwise the declared rule that was applied.
    """

    sector_cap: float | None
    asset_class_cap: float | None
    sector_cap_requested: float | None
    asset_class_cap_requested: float | None
    rule: CapRule

    def to_payload(self) -> Payload:
        """Return the `group_caps` of an optimize result."""
        return {
            "sector_cap": self.sector_cap,
            "asset_class_cap": self.asset_class_cap,
            "sector_cap_requested": self.sector_cap_requested,
            "asset_class_cap_requested": self.asset_class_cap_requested,
            "rule": self.rule,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Limits:
    """The set of allowed weights.

    Attributes
    ----------
    total : float
        What the weights sum to: 1, or less where the declared rule keeps cash.
    upper : ndarray of shape (n_symbols,)
        Most that each symbol may weigh.
    cluster_cap : float
        Most that each cluster may weigh.
    clusters : tuple of tuple of int
        Column numbers of each cluster; disjoint, covering all columns.
    """

    total: float
    upper: FloatArray
    cluster_cap: float
    clusters: tuple[tuple[int, ...], ...]

    @property
    def capacity(self) -> float:
        """The largest sum of weights within the caps."""
        return math.fsum(self.cluster_limits())

    @property
    def saturated(self) -> bool:
        """Whether `total` uses up the capacity, so that every cluster is at its limit."""
        return self.capacity - self.total <= SATURATION_TOLERANCE

    def cluster_limits(self) -> list[float]:
        """Return the most that each cluster can weigh under both kinds of cap."""
        upper = self.upper.tolist()
        return [
            min(self.cluster_cap, math.fsum(upper[i] for i in members)) for members in self.clusters
        ]

    def cluster_sums(self, weights: FloatArray) -> list[float]:
        """Return the weight of each cluster, correctly rounded."""
        values = weights.tolist()
        return [math.fsum(values[i] for i in members) for members in self.clusters]


def resolve_caps(
    sizes: Sequence[int], regime: RegimeName, params: OptimizationParams
) -> tuple[Caps, float]:
    """Return the caps in force and the sum of weights they are meant for.

    `n` symbols of a cluster can weigh at most `min(cluster_cap, n * symbol_cap)`; the sum of this
    over clusters is the capacity. What is to be invested is 1, or the gross limit of the regime.
    Below it the declared rule decides: `stop` raises, `relax` multiplies both caps by the least
    common factor with which they suffice (a cap above 1 is written as 1), `cash` invests the
    capacity and leaves the rest in cash.

    Parameters
    ----------
    sizes : sequence of int
        Number of symbols of each cluster.
    regime : str
        Regime at the decision date.
    params : OptimizationParams
        Caps by regime and the rule.

    Raises
    ------
    GateClosedError
        If the caps do not suffice and the rule is `stop`, or nothing may be invested.
    """
    symbol_cap, cluster_cap = params.symbol_caps.of(regime), params.cluster_caps.of(regime)
    capacity = math.fsum(min(cluster_cap, size * symbol_cap) for size in sizes)
    requested, total = (symbol_cap, cluster_cap), params.gross_limits.of(regime)
    if capacity >= total - CAPACITY_TOLERANCE and total > 0.0:
        return Caps(regime, *requested, *requested, "none"), total
    if params.infeasible_caps == "stop" or capacity <= 0.0 or total <= 0.0:
        raise _caps_too_low(sizes, regime, requested, (capacity, total))
    if params.infeasible_caps == "cash":
        return Caps(regime, *requested, *requested, "cash"), capacity
    relaxed = tuple(min(1.0, cap * total / capacity) for cap in requested)
    return Caps(regime, relaxed[0], relaxed[1], *requested, "relax"), total


def _caps_too_low(
    sizes: Sequence[int],
    regime: RegimeName,
    caps: tuple[float, float],
    capacity: tuple[float, float],
) -> GateClosedError:
    return GateClosedError(
        f"the caps allow weights of at most {capacity[0]:.6g}, expected at least {capacity[1]:g}",
        where=(
            f"{sum(sizes)} symbols in {len(sizes)} clusters, regime {regime}, "
            f"symbol cap {caps[0]:g}, cluster cap {caps[1]:g}"
        ),
        why="each cluster weighs at most min(cluster cap, its symbols x symbol cap)",
        fix=(
            "raise optimization.symbol_caps or cluster_caps for this regime, select more symbols "
            "or clusters, or set optimization.infeasible_caps to `relax` or `cash`"
        ),
    )


def contains(weights: FloatArray, limits: Limits, tolerance: float = SUM_TOLERANCE) -> bool:
    """Return whether `weights` lie in the set; bounds hold exactly, sums within `tolerance`."""
    inside = bool(np.all(weights >= 0.0) and np.all(weights <= limits.upper))
    return (
        inside
        and abs(math.fsum(weights.tolist()) - limits.total) <= tolerance
        and max(limits.cluster_sums(weights)) <= limits.cluster_cap + tolerance
    )


def project(weights: FloatArray, limits: Limits) -> FloatArray:
    """Return the point of the set that is nearest to `weights`.

    With multipliers `t` of the budget and `m_c >= 0` of the clusters the nearest point is
    `clip(w_i - t - m_c, 0, upper_i)`. For each cluster `max(t, t_c)` takes the place of
    `t + m_c`, where `t_c` is the threshold at which the cluster alone weighs `cluster_cap`; the
    sum of all weights is then a falling, piecewise linear function of `t` whose corners are known,
    so that the threshold is found by a search among them and one division: no iteration, no
    tolerance.

    Parameters
    ----------
    weights : ndarray of shape (n_symbols,)
        Finite numbers.
    limits : Limits
        The set; its capacity must reach its total.

    Raises
    ------
    ValueError
        If the set is empty.
    """
    if contains(weights, limits):
        return weights
    if limits.capacity < limits.total - CAPACITY_TOLERANCE * max(1.0, limits.total):
        msg = f"the limits allow {limits.capacity}, which is less than {limits.total}"
        raise ValueError(msg)
    floors = _cluster_thresholds(weights, limits)
    threshold = _threshold(weights, limits.upper, limits.total, floors)
    return _clipped(weights, limits.upper, np.maximum(threshold, floors))


def fit(shares: FloatArray, limits: Limits) -> tuple[FloatArray, float]:
    """Return weights for `shares` of the total that lie in the set, and the largest change.

    `shares` sum to 1; they are multiplied by `limits.total` and projected.
    """
    wanted = shares * limits.total
    weights = project(wanted, limits)
    return weights, float(np.abs(weights - wanted).max())


def linear_minimum(costs: FloatArray, limits: Limits) -> FloatArray:
    """Return the point `v` of the set with the smallest `costs'v`.

    The cheapest symbol first, each as far as its cap, its cluster and the total allow; ties by
    column. Greedy is exact because the limits are nested (symbol within cluster within total).
    """
    cluster_of = {i: c for c, members in enumerate(limits.clusters) for i in members}
    room, left = [limits.cluster_cap] * len(limits.clusters), limits.total
    point = np.zeros(len(costs))
    for i in np.argsort(costs, kind="stable").tolist():
        amount = min(float(limits.upper[i]), room[cluster_of[i]], left)
        point[i] = amount
        room[cluster_of[i]] -= amount
        left -= amount
    return point


@dataclass(frozen=True, slots=True)
class Prices:
    """The dual of the smallest `costs'v` over the set.

    Attributes
    ----------
    budget : float
        Cost of the last unit of weight.
    clusters : tuple of float
        By how much each full cluster would lower the cost per unit of room, not negative.
    symbols : tuple of float
        The same for each full symbol, beyond what its cluster is worth.
    minimum : float
        `budget * total - sum(clusters * caps) - sum(symbols * upper)`: no point of the set costs
        less, whatever `budget` and `clusters` are.
    """

    budget: float
    clusters: tuple[float, ...]
    symbols: tuple[float, ...]
    minimum: float


def prices(costs: FloatArray, limits: Limits, negligible: float = 0.0) -> Prices:
    """Return the dual prices of `linear_minimum`; those up to `negligible` are left out as 0.

    The cost of the symbol at which the total (a cluster) is used up is its price; what leaving
    out small prices costs shows in `minimum`.
    """
    cluster_of = {i: c for c, members in enumerate(limits.clusters) for i in members}
    room, left = [limits.cluster_cap] * len(limits.clusters), limits.total
    full: dict[int, float] = {}
    budget = 0.0
    for i in np.argsort(costs, kind="stable").tolist():
        cluster = cluster_of[i]
        amount = min(float(limits.upper[i]), room[cluster], left)
        if amount > SUM_TOLERANCE:
            budget = float(costs[i])
        room[cluster] -= amount
        left -= amount
        if room[cluster] <= SUM_TOLERANCE:
            full.setdefault(cluster, float(costs[i]))
    discounts = [budget - full.get(c, budget) for c in range(len(limits.clusters))]
    clusters = tuple(price if price > negligible else 0.0 for price in discounts)
    worth = [budget - clusters[cluster_of[i]] - cost for i, cost in enumerate(costs.tolist())]
    symbols = tuple(price if price > negligible else 0.0 for price in worth)
    return Prices(budget, clusters, symbols, _bound(limits, budget, clusters, worth))


def _bound(
    limits: Limits, budget: float, clusters: Sequence[float], worth: Sequence[float]
) -> float:
    upper = limits.upper.tolist()
    return math.fsum(
        (
            budget * limits.total,
            *(0.0 - price * limits.cluster_cap for price in clusters),
            *(0.0 - max(0.0, w) * cap for w, cap in zip(worth, upper, strict=True)),
        )
    )


def _clipped(weights: FloatArray, upper: FloatArray, threshold: FloatArray | float) -> FloatArray:
    return np.minimum(np.maximum(weights - threshold, 0.0), upper) + 0.0


def _cluster_thresholds(weights: FloatArray, limits: Limits) -> FloatArray:
    """Return `t_c` for each symbol, minus infinity where the cluster cap cannot bind."""
    floors = np.full(len(weights), -np.inf)
    for members in limits.clusters:
        index = list(members)
        upper = limits.upper[index]
        if math.fsum(upper.tolist()) > limits.cluster_cap:
            none = np.full(len(index), -np.inf)
            floors[index] = _threshold(weights[index], upper, limits.cluster_cap, none)
    return floors


def _threshold(weights: FloatArray, upper: FloatArray, total: float, floors: FloatArray) -> float:
    """Return `t` with `sum(clip(w - max(t, floors), 0, upper)) = total`."""
    corners = np.unique(np.concatenate((weights, weights - upper, floors[np.isfinite(floors)])))

    def held(t: float) -> float:
        return math.fsum(_clipped(weights, upper, np.maximum(t, floors)).tolist())

    low, high = 0, len(corners) - 1
    if held(corners[low]) <= total:
        return float(corners[low])
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if held(corners[middle]) > total else (low, middle)
    above, below = held(corners[low]), held(corners[high])
    share = (above - total) / (above - below) if above > below else 0.0
    return float(corners[low] + share * (corners[high] - corners[low]))

"""The two sides of a barbell: who leads, who is core, and what each side may weigh.

The aggressive side holds one leader from each of the clusters with the most antifragile leaders;
no other member of these clusters is held. The core holds all other clusters. Because of the
members left out, caps that can sum to 1 over all symbols may not do so over the two sides; then
the side gives up its lowest ranked clusters to the core, one remains, and if the core is still too
small the declared rule for caps is applied to the barbell itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from pipeline.optimization.constraints import CAPACITY_TOLERANCE
from pipeline.optimization.risk_profiles import antifragility, barbell_leaders

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.optimization.constraints import Limits
    from pipeline.optimization.problem import Problem


@dataclass(frozen=True, slots=True)
class Sides:
    """Who is on which side.

    Attributes
    ----------
    leaders : tuple of int
        Columns of the aggressive side, ascending.
    core : tuple of int
        Columns of the core, ascending.
    core_clusters : tuple of tuple of int
        The clusters of the core.
    aggressive : float
        What the leaders weigh together: the wanted share, less where their caps are lower, more
        where the core cannot hold the rest.
    core_room, leader_room : float
        Most that each side may weigh within the caps.
    """

    leaders: tuple[int, ...]
    core: tuple[int, ...]
    core_clusters: tuple[tuple[int, ...], ...]
    aggressive: float
    core_room: float
    leader_room: float


def sides(problem: Problem) -> Sides:
    """Return the two sides of a problem with at least two clusters."""
    limits, room = problem.limits, problem.limits.cluster_limits()
    ranked = barbell_leaders(
        antifragility(problem.returns), limits.clusters, problem.aggressive_clusters_max
    )
    share = problem.aggressive_share * limits.total
    while len(ranked) > 1 and _core_room(room, ranked) < limits.total - share - CAPACITY_TOLERANCE:
        ranked = ranked[:-1]
    leaders = tuple(sorted(leader for _, leader in ranked))
    leading = {cluster for cluster, _ in ranked}
    groups = tuple(limits.clusters[c] for c in range(len(limits.clusters)) if c not in leading)
    core_room = _core_room(room, ranked)
    leader_room = math.fsum(limits.upper[list(leaders)].tolist())
    return Sides(
        leaders,
        tuple(sorted(column for members in groups for column in members)),
        groups,
        min(max(share, limits.total - core_room), leader_room),
        core_room,
        leader_room,
    )


def _core_room(room: Sequence[float], ranked: Sequence[tuple[int, int]]) -> float:
    """Return what the clusters that lead nothing may weigh together."""
    leading = {cluster for cluster, _ in ranked}
    return math.fsum(limit for cluster, limit in enumerate(room) if cluster not in leading)


def with_room(problem: Problem, rule: Literal["stop", "relax", "cash"]) -> Problem:
    """Return `problem` with limits in which the core can hold its part, by the declared rule.

    `relax` multiplies the caps in force by the least factor with which the core can hold the
    total less the aggressive share; `cash` leaves what the core cannot hold in cash; `stop`
    changes nothing, and the leaders take what the core cannot, as far as their caps go.
    """
    limits = problem.limits
    if rule == "stop" or len(limits.clusters) == 1:
        return problem
    found = sides(problem)
    share = min(problem.aggressive_share * limits.total, found.leader_room)
    missing = limits.total - share - found.core_room
    if missing <= CAPACITY_TOLERANCE:
        return problem
    if rule == "cash":
        total = limits.total - missing
        return replace(
            problem,
            limits=replace(limits, total=total),
            caps=replace(problem.caps, rule="cash"),
            aggressive_share=share / total,
        )
    factor = (limits.total - share) / found.core_room
    caps = replace(
        problem.caps,
        symbol_cap=min(1.0, problem.caps.symbol_cap * factor),
        cluster_cap=min(1.0, problem.caps.cluster_cap * factor),
        rule="relax",
    )
    upper = np.full(len(limits.upper), min(caps.symbol_cap, caps.cluster_cap))
    relaxed = replace(limits, upper=upper, cluster_cap=caps.cluster_cap)
    return replace(problem, limits=relaxed, caps=caps)


def part(
    limits: Limits, columns: Sequence[int], groups: Sequence[Sequence[int]], total: float
) -> Limits:
    """Return the limits of some columns, renumbered, that together weigh `total`."""
    place = {column: i for i, column in enumerate(columns)}
    return replace(
        limits,
        total=total,
        upper=limits.upper[list(columns)],
        clusters=tuple(tuple(place[i] for i in members) for members in groups),
    )

"""Limits that are not nested like the caps: sectors, asset classes, floors, net exposure.

Each is a row `coefficients'w <= limit`. The caps of symbols and clusters have closed forms
(`constraints`); with rows beside them the set is a polyhedron, and whether anything fits into it is
a linear programme. Where the group caps leave too little room, the rule declared for caps decides.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from pipeline.errors import ConfigError, GateClosedError
from pipeline.optimization.constraints import GroupCaps
from pipeline.optimization.quadratic import LinearSet, QuadraticProgram, linear_set, solve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.config import CapParams, OptimizationParams, RegimeName
    from pipeline.optimization.constraints import Limits
    from pipeline.optimization.solution import ConstraintKind
    from pipeline.values import FloatArray

ROOM = 1e-6
"""What is left between a relaxed limit and the least that is feasible: a set without an interior
costs interior-point methods their last digits."""

REACHED = 1e-9
"""A capacity that misses its total by no more than this is the rounding of the programme."""

GROUPS: Mapping[ConstraintKind, tuple[str, str]] = {
    "sector_cap": ("sectors", "sector_caps"),
    "asset_class_cap": ("asset_classes", "asset_class_caps"),
}
"""Kind of group cap -> parameters with the groups and their caps."""


@dataclass(frozen=True, slots=True, eq=False)
class SideLimit:
    """One row `coefficients'w <= limit`; `coefficients` has shape (n_symbols,)."""

    kind: ConstraintKind
    name: str
    coefficients: FloatArray
    limit: float

    @property
    def label(self) -> str:
        """Name in certificates: kind and name."""
        return f"{self.kind}.{self.name}"

    def value(self, weights: FloatArray) -> float:
        """Return `coefficients'w`, correctly rounded."""
        return math.fsum((self.coefficients * weights).tolist())


def side_limits(
    params: OptimizationParams, regime: RegimeName, symbols: Sequence[str]
) -> tuple[SideLimit, ...]:
    """Return the rows that the manifest declares, groups and floors in ascending order.

    Raises
    ------
    ConfigError
        If a group cap is declared and a symbol has no group.
    """
    rows: list[SideLimit] = []
    for kind, (homes, caps) in GROUPS.items():
        declared: CapParams | None = getattr(params, caps)
        if declared is not None:
            groups = _groups(getattr(params, homes), symbols, homes)
            cap = declared.of(regime)
            rows += [SideLimit(kind, name, held, cap) for name, held in sorted(groups.items())]
    for symbol in sorted(set(params.symbol_floors) & set(symbols)):
        unit = np.array([0.0 if other != symbol else -1.0 for other in symbols])
        rows.append(SideLimit("symbol_floor", symbol, unit, -params.symbol_floors[symbol]))
    if params.net_limits is not None:
        short = set(params.short_symbols)
        sign = np.array([-1.0 if symbol in short else 1.0 for symbol in symbols])
        least, most = params.net_limits
        rows.append(SideLimit("net", "least", 0.0 - sign, 0.0 - least))
        rows.append(SideLimit("net", "most", sign, most))
    return tuple(rows)


def _groups(homes: Mapping[str, str], symbols: Sequence[str], where: str) -> dict[str, FloatArray]:
    missing = [symbol for symbol in symbols if symbol not in homes]
    if missing:
        raise ConfigError(
            f"{', '.join(missing[:6])} of {len(symbols)} symbols have no entry",
            where=f"optimization.{where}",
            why="a cap on groups holds for every symbol; one without a group would escape it",
            fix=f"name the group of each symbol in optimization.{where}",
        )
    names = [homes[symbol] for symbol in symbols]
    return {
        group: np.array([1.0 if name == group else 0.0 for name in names]) for group in set(names)
    }


def with_rows(limits: Limits, rows: Sequence[SideLimit]) -> LinearSet:
    """Return the allowed weights as rows, those of `rows` last."""
    points = linear_set(limits)
    if not rows:
        return points
    return LinearSet(
        points.E,
        points.e,
        np.concatenate((points.G, np.array([row.coefficients for row in rows]))),
        np.concatenate((points.h, np.array([row.limit for row in rows]))),
    )


def fitted(
    limits: Limits,
    rows: tuple[SideLimit, ...],
    rule: Literal["stop", "relax", "cash"],
) -> tuple[float, tuple[SideLimit, ...], GroupCaps]:
    """Return total and rows into which weights fit, and the group caps in force.

    `relax` multiplies all group caps by the least common factor with which the total fits; `cash`
    invests what fits. Floors and net limits are not relaxed.

    Raises
    ------
    GateClosedError
        If nothing fits: by the rule `stop`, or because no group cap is in the way.
    """
    requested = _caps_of(rows)
    capacity = largest_total(limits, rows)
    if capacity is not None and capacity >= limits.total - REACHED:
        return limits.total, rows, GroupCaps(*requested, *requested, "none")
    grouped = any(row.kind in GROUPS for row in rows)
    if rule == "cash" and capacity is not None and capacity > ROOM:
        return capacity - ROOM, rows, GroupCaps(*requested, *requested, "cash")
    factor = _least_factor(limits, rows) if rule == "relax" and grouped else None
    if factor is None:
        raise _nothing_fits(limits, rows, capacity)
    wide = tuple(
        SideLimit(r.kind, r.name, r.coefficients, min(1.0, r.limit * (factor + ROOM)))
        if r.kind in GROUPS
        else r
        for r in rows
    )
    return limits.total, wide, GroupCaps(*_caps_of(wide), *requested, "relax")


def _caps_of(rows: Sequence[SideLimit]) -> tuple[float | None, float | None]:
    found = {row.kind: row.limit for row in rows}
    return found.get("sector_cap"), found.get("asset_class_cap")


def largest_total(limits: Limits, rows: Sequence[SideLimit]) -> float | None:
    """Return the most that can be invested, at most the total; `None` if nothing keeps the rows."""
    free = with_rows(limits, rows)
    n = len(limits.upper)
    unit, upper = np.eye(n), limits.upper
    groups = np.zeros((len(limits.clusters), n))
    for row, members in zip(groups, limits.clusters, strict=True):
        row[list(members)] = 1.0
    sides = (free.G[len(free.G) - len(rows) :], free.h[len(free.h) - len(rows) :])
    points = LinearSet(
        np.zeros((0, n)),
        np.zeros(0),
        np.concatenate((-unit, unit, groups, np.ones((1, n)), sides[0])),
        np.concatenate(
            (np.zeros(n), upper, np.full(len(groups), limits.cluster_cap), [limits.total], sides[1])
        ),
    )
    found = solve(QuadraticProgram(np.zeros((n, n)), -np.ones(n), points))
    if found.status not in {"optimal", "optimal_inaccurate"}:
        return None
    return math.fsum(found.x.tolist())


def _least_factor(limits: Limits, rows: Sequence[SideLimit]) -> float | None:
    """Return the least factor on all group caps with which the total fits, `None` if none does."""
    points, n = with_rows(limits, rows), len(limits.upper)
    first = len(points.h) - len(rows)
    column = np.zeros(len(points.h))
    right = points.h.copy()
    for place, row in enumerate(rows, start=first):
        if row.kind in GROUPS:
            column[place], right[place] = -row.limit, 0.0
    wide = LinearSet(
        np.concatenate((points.E, np.zeros((len(points.E), 1))), axis=1),
        points.e,
        np.concatenate((points.G, column[:, None]), axis=1),
        right,
    )
    costs = np.append(np.zeros(n), 1.0)
    found = solve(QuadraticProgram(np.zeros((n + 1, n + 1)), costs, wide))
    return float(found.x[-1]) if found.status in {"optimal", "optimal_inaccurate"} else None


def _nothing_fits(
    limits: Limits, rows: Sequence[SideLimit], capacity: float | None
) -> GateClosedError:
    kinds = ", ".join(sorted({row.kind for row in rows}))
    most = "no weights at all" if capacity is None else f"weights of at most {capacity:.6g}"
    return GateClosedError(
        f"the limits ({kinds}) allow {most}, expected {limits.total:.6g}",
        where=f"{len(limits.upper)} symbols, {len(rows)} limits beside the caps",
        why="group caps, floors and net limits hold together with the caps of symbols and clusters",
        fix=(
            "raise the caps or lower the floors named, select more symbols, or set "
            "optimization.infeasible_caps to `relax` or `cash`"
        ),
    )

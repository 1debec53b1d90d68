"""What is checked on both sides of a solve: the returns going in, the weights coming out.

An engine's word is never taken: weights are accepted only if they keep every bound and cap within
`TOLERANCE`, and are then moved to the nearest point that keeps them exactly.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import DataError, SolverError
from pipeline.optimization.constraints import contains, project
from pipeline.optimization.solution import ConstraintRow, Dropped
from pipeline.values import iso

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.optimization.constraints import Limits
    from pipeline.optimization.engines.base import LinearBound
    from pipeline.optimization.problem import Problem
    from pipeline.optimization.solution import ConstraintKind
    from pipeline.values import FloatArray, Returns

TOLERANCE = 1e-6
"""By how much weights from an engine may break a bound or cap; also when a limit is binding."""

DUST = 1e-9
"""Weights below this are the distance of an interior-point method from a bound, not positions."""

ZERO_VARIANCE_LIMIT = 1e-9
"""A standard deviation per period at or below this is a price that does not move."""

COVARIANCE_ROWS = 2
"""Rows below which there is no covariance, whatever the warm-up."""

TOTAL_TOLERANCE = 1e-12
"""By how much accepted weights may miss their total."""


def check_returns(returns: Returns, warmup_rows: int) -> None:
    """Refuse returns that nothing can be estimated from.

    Raises
    ------
    DataError
        If there is no symbol, symbols are not ascending and unique, or a return is not finite.
    SolverError
        If there are fewer rows than `warmup_rows`. No fallback is tried: every cell lacks the
        same rows.
    """
    symbols = returns.symbols
    if not symbols or list(symbols) != sorted(set(symbols)):
        raise DataError(
            f"expected at least one symbol, ascending and unique; found {list(symbols)}",
            where="training returns",
            why="weights are named by symbol and ties are broken by symbol",
            fix="select the symbols of the training window before optimising",
        )
    needed = max(warmup_rows, COVARIANCE_ROWS)
    if len(returns.values) < needed:
        raise SolverError(
            f"{len(returns.values)} rows of returns, expected at least {needed}",
            where=f"training returns of {len(symbols)} symbols",
            why="fewer rows than optimization.warmup_rows estimate nothing",
            fix="start later, train on more days, or lower optimization.warmup_rows",
        )
    finite = np.isfinite(returns.values)
    if not finite.all():
        row, column = np.argwhere(~finite)[0].tolist()
        raise DataError(
            f"return of {symbols[column]} is {returns.values[row, column]}, expected a number",
            where=f"{symbols[column]}, {iso(returns.dates[row])}",
            why="a hole is removed before returns are computed, never filled",
            fix="repair the prices of this day or leave the symbol out",
        )


def screen(symbols: Sequence[str], covariances: FloatArray) -> tuple[list[int], list[Dropped]]:
    """Return the columns with a variance, and the symbols dropped for having none.

    Raises
    ------
    SolverError
        If no column is left.
    """
    deviations = np.sqrt(np.maximum(np.diagonal(covariances), 0.0)).tolist()
    active = [i for i, value in enumerate(deviations) if value > ZERO_VARIANCE_LIMIT]
    dropped = [
        Dropped(symbol, f"standard deviation {value:.3g} at or below {ZERO_VARIANCE_LIMIT:g}")
        for symbol, value in zip(symbols, deviations, strict=True)
        if value <= ZERO_VARIANCE_LIMIT
    ]
    if not active:
        raise SolverError(
            f"no asset has a variance: none of {len(symbols)} moved in the training rows",
            where=", ".join(symbols),
            why="a price that does not move has no correlation and no risk to weigh",
            fix="select other symbols or another period",
        )
    return active, dropped


def cluster_columns(
    clusters: Mapping[int, Sequence[str]], symbols: Sequence[str], active: Sequence[int]
) -> dict[int, tuple[int, ...]]:
    """Return cluster number -> positions in `active`, for clusters that have any, ascending.

    Symbols of `clusters` that are not in `symbols` are left out.

    Raises
    ------
    DataError
        If a symbol is in no cluster or in two.
    """
    homes: dict[str, list[int]] = {symbol: [] for symbol in symbols}
    for cluster in sorted(clusters):
        for symbol in clusters[cluster]:
            if symbol in homes:
                homes[symbol].append(cluster)
    for symbol, found in homes.items():
        if len(found) != 1:
            raise DataError(
                f"{symbol} is in {len(found)} clusters {found}, expected exactly one",
                where="clusters of the selection",
                why="cluster caps need every symbol in one cluster",
                fix="pass the clusters that the selection recorded for these symbols",
            )
    columns: dict[int, list[int]] = {}
    for position, column in enumerate(active):
        columns.setdefault(homes[symbols[column]][0], []).append(position)
    return {cluster: tuple(columns[cluster]) for cluster in sorted(columns)}


def accepted(
    weights: FloatArray, limits: Limits, bounds: Sequence[LinearBound] = ()
) -> tuple[FloatArray | None, str]:
    """Return exact weights, or `None` and which limit the given ones break."""
    broken = breach(weights, limits)
    if broken:
        return None, broken
    moved = exact(weights, limits)
    if not contains(moved, limits, TOTAL_TOLERANCE):
        return None, f"no exact weights within {TOTAL_TOLERANCE:g} of the limits were found"
    for bound in bounds:
        excess = abs(bound.value(moved)) - bound.limit
        if excess > TOLERANCE:
            return None, f"the weights break the limit of {bound.name} by {excess:.3g}"
    return moved, ""


def breach(weights: FloatArray, limits: Limits) -> str:
    """Return which limit `weights` break by more than `TOLERANCE`, empty if none."""
    if not np.isfinite(weights).all():
        return f"{int((~np.isfinite(weights)).sum())} weights are not finite"
    excess = {
        "the total": abs(math.fsum(weights.tolist()) - limits.total),
        "a weight below zero": -float(weights.min()),
        "a symbol cap": float((weights - limits.upper).max()),
        "a cluster cap": max(limits.cluster_sums(weights)) - limits.cluster_cap,
    }
    worst = max(excess, key=lambda name: excess[name])
    if excess[worst] <= TOLERANCE:
        return ""
    return f"the weights break {worst} by {excess[worst]:.3g}, tolerance {TOLERANCE:g}"


def exact(weights: FloatArray, limits: Limits) -> FloatArray:
    """Return accepted weights without dust, within every cap, summing to the total.

    Weights within `DUST` of zero or of their cap are set to it, then the nearest allowed point is
    taken, so that no limit is broken by rounding and the sum is right to `TOTAL_TOLERANCE`. What
    was set to zero stays there, unless the other symbols have no room for the total.
    """
    kept = np.where(weights < DUST, 0.0, weights)
    kept = np.where(kept > limits.upper - DUST, limits.upper, kept)
    held = replace(limits, upper=np.where(kept > 0.0, limits.upper, 0.0))
    return project(kept, limits if held.capacity < limits.total else held)


def constraint_rows(
    weights: FloatArray, problem: Problem, bounds: Sequence[LinearBound] = ()
) -> tuple[ConstraintRow, ...]:
    """Return every constraint at `weights`: budget, long-only, symbol and cluster caps, bounds."""
    values, caps = weights.tolist(), problem.caps
    lowest = min(range(len(values)), key=values.__getitem__)
    sums = problem.limits.cluster_sums(weights)
    return (
        _row("budget", "total", math.fsum(values), problem.limits.total),
        _row("long_only", problem.symbols[lowest], 0.0 - values[lowest], 0.0),
        *(
            _row("symbol_cap", symbol, value, caps.symbol_cap)
            for symbol, value in zip(problem.symbols, values, strict=True)
        ),
        *(
            _row("cluster_cap", str(number), value, caps.cluster_cap)
            for number, value in zip(problem.cluster_numbers, sums, strict=True)
        ),
        *(_row(bound.kind, bound.name, abs(bound.value(weights)), bound.limit) for bound in bounds),
        *(_row(row.kind, row.name, row.value(weights), row.limit) for row in problem.rows),
        *_turnover_row(weights, problem),
    )


def _turnover_row(weights: FloatArray, problem: Problem) -> tuple[ConstraintRow, ...]:
    trading = problem.trading
    if trading is None or trading.limit is None:
        return ()
    return (_row("turnover", "one_way", trading.turnover(weights), trading.limit),)


def _row(kind: ConstraintKind, name: str, value: float, limit: float) -> ConstraintRow:
    return ConstraintRow(kind, name, value, limit, limit - value <= TOLERANCE)

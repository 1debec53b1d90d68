"""The reference portfolio: what `market` holds, and what betas and equilibria refer to."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from pipeline.optimization.constraints import CAPACITY_TOLERANCE

if TYPE_CHECKING:
    from pipeline.optimization.constraints import Limits
    from pipeline.optimization.problem import Problem
    from pipeline.values import FloatArray


def absent(problem: Problem) -> list[str]:
    """Return the declared benchmark symbols that the problem does not have."""
    return sorted(set(problem.benchmark_symbols) - set(problem.symbols))


def reference(problem: Problem) -> FloatArray:
    """Return the reference portfolio: benchmark symbols in equal parts, without any all symbols.

    Benchmark symbols that the problem does not have are left out; `market` refuses to be solved
    without them.
    """
    declared = set(problem.benchmark_symbols)
    held = np.array([not declared or symbol in declared for symbol in problem.symbols])
    if not held.any():
        held = np.ones(len(problem.symbols), dtype=bool)
    return np.where(held, 1.0, 0.0) / int(held.sum())


def betas(problem: Problem) -> FloatArray:
    """Return the beta of each symbol to the reference portfolio: covariance over variance."""
    held = reference(problem)
    covariances = (problem.prior.covariance * held).sum(axis=1)
    slope: FloatArray = covariances / math.fsum((held * covariances).tolist())
    return slope


def benchmark_limits(problem: Problem) -> Limits:
    """Return the limits with room for benchmark symbols only."""
    declared = set(problem.benchmark_symbols)
    held = [symbol in declared for symbol in problem.symbols]
    return replace(problem.limits, upper=np.where(held, problem.limits.upper, 0.0))


def with_benchmark_room(problem: Problem, rule: Literal["stop", "relax", "cash"]) -> Problem:
    """Return `problem` with limits into which the benchmark symbols fit, by the declared rule.

    `relax` raises both caps by the least common factor; `cash` keeps in cash what the benchmark
    symbols may not weigh; `stop` changes nothing, and `market` is infeasible.
    """
    limits, capacity = problem.limits, benchmark_limits(problem).capacity
    fits = capacity >= limits.total - CAPACITY_TOLERANCE
    if rule == "stop" or fits or absent(problem) or not capacity:
        return problem
    if rule == "cash":
        caps = replace(problem.caps, rule="cash")
        return replace(problem, caps=caps, limits=replace(limits, total=capacity))
    factor = limits.total / capacity
    caps = replace(
        problem.caps,
        symbol_cap=min(1.0, problem.caps.symbol_cap * factor),
        cluster_cap=min(1.0, problem.caps.cluster_cap * factor),
        rule="relax",
    )
    upper = np.full(len(limits.upper), min(caps.symbol_cap, caps.cluster_cap))
    return replace(
        problem, caps=caps, limits=replace(limits, upper=upper, cluster_cap=caps.cluster_cap)
    )

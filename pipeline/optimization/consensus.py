"""The same problem put to other engines, and whether they agree: evidence against our own mistakes.

An adapter that annualises twice or a tree with another distance still gives weights that keep every
limit. Two libraries written by other people do not make the same mistake.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import GateClosedError
from pipeline.optimization.engines.base import capabilities, open_engine
from pipeline.optimization.nearest import held_to
from pipeline.optimization.objectives import CONVEX, objective
from pipeline.optimization.solution import Opinion

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipeline.config import Cell
    from pipeline.optimization.problem import Problem
    from pipeline.values import FloatArray

WEIGHT_TOLERANCE = 1e-4
"""Largest difference of a weight between engines that agree."""

OBJECTIVE_TOLERANCE = 1e-6
"""Largest relative difference of the objective; where it is flat, weights may differ more."""


def opinions(
    engines: Iterable[str], cell: Cell, problem: Problem, weights: FloatArray
) -> tuple[Opinion, ...]:
    """Return what each of `engines` but that of `cell` makes of `problem`.

    Parameters
    ----------
    engines : iterable of str
        Asked in ascending order; each once.
    cell : Cell
        What gave the weights.
    problem : Problem
        As it was solved, its risk profile that of `cell`.
    weights : ndarray of shape (n_symbols,)
        Accepted.
    """
    others = sorted(set(engines) - {cell.engine})
    return tuple(_opinion(engine, problem, weights) for engine in others)


def _opinion(engine: str, problem: Problem, weights: FloatArray) -> Opinion:
    if problem.risk_profile not in {entry.risk_profile for entry in capabilities(engine)}:
        reason = f"{engine} cannot solve {problem.risk_profile}"
        return Opinion(engine, "refused", reason=reason)
    answer = open_engine(engine).solve(problem)
    if answer.weights is None:
        return Opinion(engine, answer.status, reason=answer.reason)
    found, broken = held_to(problem, answer)
    if found is None:
        return Opinion(engine, "failed", agrees=False, reason=broken)
    apart = float(np.abs(found - weights).max())
    gap = _objective_difference(problem, weights, found)
    agrees = apart <= WEIGHT_TOLERANCE or (gap is not None and abs(gap) <= OBJECTIVE_TOLERANCE)
    known = "" if agrees else known_difference(engine, problem)
    return Opinion(engine, answer.status, apart, gap, None if known else agrees, known)


def _objective_difference(problem: Problem, one: FloatArray, other: FloatArray) -> float | None:
    if problem.risk_profile not in CONVEX:
        return None
    ours, theirs = objective(problem, one), objective(problem, other)
    return theirs / ours - 1.0 if ours and theirs is not None else None


def known_difference(engine: str, problem: Problem) -> str:
    """Return why weights may differ although nobody is wrong, empty if there is no reason."""
    capped = bool(np.any(problem.limits.upper < problem.limits.total))
    if engine == "skfolio" and problem.risk_profile == "hrp" and capped:
        return "it keeps symbol caps inside the bisection, others by projection"
    return ""


def check_agreement(found: Sequence[Opinion], label: str) -> None:
    """Refuse weights that another engine contradicts.

    Raises
    ------
    GateClosedError
        If an opinion does not agree and no known reason explains it.
    """
    against = [opinion for opinion in found if opinion.agrees is False]
    if not against:
        return
    told = "; ".join(
        f"{opinion.engine}: {opinion.reason}"
        if opinion.weight_difference is None
        else f"{opinion.engine} differs by {opinion.weight_difference:.3g} of weight"
        for opinion in against
    )
    raise GateClosedError(
        f"engines disagree about {label}: {told}; expected at most {WEIGHT_TOLERANCE:g}",
        where=f"cell {label}, optimization.consensus",
        why="weights that a second implementation contradicts are wrong in one of the two",
        fix="compare both records, or set optimization.consensus_rule to `record` to go on",
    )

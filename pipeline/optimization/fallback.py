"""The fallback chain: cells tried in the declared order until one gives weights that hold.

Every attempt that fails is recorded with status and reason; if none succeeds, nothing is invented.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from pipeline.config import Cell
from pipeline.errors import SolverError
from pipeline.optimization.certificates import GAP_LIMIT, certificate
from pipeline.optimization.engines.base import open_engine
from pipeline.optimization.nearest import held_to
from pipeline.optimization.solution import FailedAttempt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.optimization.engines.base import Answer
    from pipeline.optimization.problem import Problem
    from pipeline.values import FloatArray, Payload


@dataclass(frozen=True, slots=True, eq=False)
class Success:
    """The attempt that gave weights, and those before it.

    Attributes
    ----------
    cell : Cell
        What was solved in the end.
    problem : Problem
        As it was put to the engine.
    answer : Answer
        As the engine gave it.
    weights : ndarray of shape (n_symbols,)
        Checked and exact.
    certificate : payload or None
        Evidence for the weights, see `pipeline.optimization.certificates`.
    failures : tuple of FailedAttempt
        Earlier attempts, in order.
    """

    cell: Cell
    problem: Problem
    answer: Answer
    weights: FloatArray
    certificate: Payload | None
    failures: tuple[FailedAttempt, ...]


def first_success(cells: Sequence[Cell], ask: Callable[[Cell], Problem]) -> Success:
    """Return the first of `cells` that solves the problem `ask(cell)` within its limits.

    A cell that occurs twice is tried once. An engine that answers with weights outside the limits,
    or with weights that their certificate shows to be far from the best, has failed, whatever
    status it reports.

    Raises
    ------
    SolverError
        If every cell failed; the message names each with its reason.
    """
    failures: list[FailedAttempt] = []
    for cell in dict.fromkeys(cells):
        problem = ask(cell)
        answer = open_engine(cell.engine).solve(problem)
        if answer.weights is None:
            failures.append(FailedAttempt(cell, answer.status, answer.reason))
            continue
        weights, broken = held_to(problem, answer)
        if weights is None:
            reason = f"answered {answer.status}, but {broken}"
            failures.append(FailedAttempt(cell, "failed", reason))
            continue
        proof = certificate(problem, answer, weights)
        if proof is not None and cast("float", proof["gap"]) > GAP_LIMIT:
            reason = (
                f"answered {answer.status}, but the weights are {proof['gap']:.3g} from the best "
                f"ones, limit {GAP_LIMIT:g}"
            )
            failures.append(FailedAttempt(cell, "failed", reason))
            continue
        solved = cell
        if answer.solved_as is not None:
            failures.append(FailedAttempt(cell, "failed", answer.reason))
            solved = Cell(engine=cell.engine, risk_profile=answer.solved_as)
        return Success(solved, problem, answer, weights, proof, tuple(failures))
    raise _nothing_solved(failures)


def _nothing_solved(failures: Sequence[FailedAttempt]) -> SolverError:
    told = "; ".join(f"{entry.cell.label}: {entry.status}, {entry.reason}" for entry in failures)
    return SolverError(
        f"no weights from {len(failures)} attempts: {told}",
        where="optimization.cells and optimization.fallback",
        why="a failed solve is never replaced by weights that nobody asked for",
        fix="declare cells to try next in optimization.fallback, e.g. custom.equal_weight",
    )

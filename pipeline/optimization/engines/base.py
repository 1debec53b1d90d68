"""What an engine is, what it answers, and what each engine can do.

Built-in engines are described here as data, so that a manifest can be checked without importing a
library that takes seconds to load. An engine from another distribution registers an object with
`name`, `capabilities` and `solve` under the entry point group `assay.engines`.

Names of residuals, all dimensionless (covariances have mean variance 1):
    `primal`, `dual`, `gap`: violation of the constraints, of stationarity, and the duality gap
        of a convex programme, computed by us from the primal and dual vectors returned.
    `suboptimality`: an upper bound of how far the objective is above its minimum, from the
        weights alone (linear minimisation over the set).
    `risk_share_deviation`: largest distance of a risk share from `1 / n` at the weights.
    `projection`: largest change of a weight by the projection on the capped set.
    `aggressive_share`, `aggressive_clusters`: what the barbell's aggressive side came to.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, cast, runtime_checkable

from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.config import Cell, RiskProfile
    from pipeline.optimization.problem import Problem
    from pipeline.optimization.solution import Status
    from pipeline.values import FloatArray

ENTRY_POINT_GROUP = "assay.engines"

Handling: TypeAlias = Literal["solved", "projected", "not_applicable"]
"""`solved`: part of the problem solved. `projected`: the nearest weights within the limit are
taken after the solve, and the distance is recorded. `not_applicable`: has no meaning here."""


@dataclass(frozen=True, slots=True)
class Capability:
    """How one engine treats the limits for one risk profile.

    A combination that is in no table is refused; nothing is attempted that is not declared.
    """

    engine: str
    risk_profile: RiskProfile
    symbol_cap: Handling
    cluster_cap: Handling
    l2_penalty: Handling


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What an engine found.

    Attributes
    ----------
    status : str
        `optimal`, `optimal_inaccurate` or `closed_form` with weights; otherwise without.
    weights : ndarray of shape (n_symbols,) or None
        In the order of `Problem.symbols`.
    reason : str
        Why there are no weights, with numbers; empty otherwise.
    objective : float or None
        See `Solution.objective`.
    iterations : int or None
        Iterations, where something iterates.
    residuals : mapping of str to float
        See the module docstring.
    solved_as : str or None
        Another risk profile that the requested one becomes by its own definition, with `reason`;
        recorded as a fallback.
    """

    status: Status
    weights: FloatArray | None = None
    reason: str = ""
    objective: float | None = None
    iterations: int | None = None
    residuals: Mapping[str, float] = field(default_factory=dict)
    solved_as: RiskProfile | None = None


@runtime_checkable
class Engine(Protocol):
    """A library that solves problems.

    `solve` MUST depend on the problem only, MUST NOT raise for a problem that has no solution
    (that is an `Answer` without weights), and need not check its weights: the caller does.
    """

    name: str
    capabilities: tuple[Capability, ...]

    def solve(self, problem: Problem) -> Answer:
        """Return weights for `problem`, or why there are none."""
        ...


CAPABILITIES: tuple[Capability, ...] = (
    Capability("custom", "equal_weight", "projected", "projected", "not_applicable"),
    Capability("custom", "benchmark", "projected", "projected", "not_applicable"),
    Capability("custom", "min_variance", "solved", "solved", "solved"),
    Capability("custom", "max_sharpe", "solved", "solved", "solved"),
    Capability("custom", "risk_parity", "projected", "projected", "not_applicable"),
    Capability("custom", "hrp", "projected", "projected", "not_applicable"),
    Capability("custom", "barbell", "projected", "projected", "not_applicable"),
    Capability("skfolio", "min_variance", "solved", "solved", "solved"),
    Capability("skfolio", "risk_parity", "projected", "projected", "not_applicable"),
    Capability("skfolio", "hrp", "solved", "projected", "not_applicable"),
)
"""What the built-in engines can do."""

_BUILT_IN = tuple(sorted({capability.engine for capability in CAPABILITIES}))


@cache
def open_engine(name: str) -> Engine:
    """Return the engine `name`, importing the library it adapts.

    Raises
    ------
    ConfigError
        If no engine of this name is built in or registered, or the registered object is no
        engine.
    """
    if name in _BUILT_IN:
        return cast("Engine", import_module(f"pipeline.optimization.engines.{name}").ENGINE)
    registered = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
    if name not in registered:
        known = ", ".join(sorted({*_BUILT_IN, *registered}))
        raise ConfigError(
            f"no engine is called {name!r}; there are {known}",
            where="optimization.cells, optimization.fallback or meta.cell",
            why="an engine is built in or registered under the entry point group assay.engines",
            fix="correct the name, or install the distribution that registers it",
        )
    engine: object = registered[name].load()
    if not isinstance(engine, Engine) or engine.name != name:
        raise ConfigError(
            f"what is registered as engine {name!r} is {engine!r}",
            where=f"entry point {registered[name].value}",
            why="an engine has `name`, `capabilities` and `solve`",
            fix="ask the author of that distribution",
        )
    return engine


def capabilities(engine: str | None = None) -> tuple[Capability, ...]:
    """Return what `engine` can do; without a name, what all built-in engines can do."""
    if engine is None:
        return CAPABILITIES
    if engine in _BUILT_IN:
        return tuple(entry for entry in CAPABILITIES if entry.engine == engine)
    return tuple(open_engine(engine).capabilities)


def check_cells(cells: Iterable[Cell]) -> None:
    """Refuse cells that no capability table declares; meant to be called before a run.

    Raises
    ------
    ConfigError
        For the first cell with an unknown engine or a risk profile its engine cannot solve.
    """
    for cell in cells:
        able = [entry.risk_profile for entry in capabilities(cell.engine)]
        if cell.risk_profile not in able:
            raise ConfigError(
                f"engine {cell.engine} cannot solve {cell.risk_profile}; it can {', '.join(able)}",
                where=f"cell {cell.label}",
                why="what an engine cannot do is refused, not replaced",
                fix="choose another risk profile for this engine, or the engine `custom`",
            )

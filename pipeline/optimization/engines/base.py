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
    `beta`: largest absolute beta of the weights that was allowed.
    `aggressive_share`, `aggressive_clusters`: what the barbell's aggressive side came to.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, cast, get_args, runtime_checkable

from pipeline.config import RiskProfile
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.config import Cell, OptimizationParams
    from pipeline.optimization.hierarchy import Split
    from pipeline.optimization.problem import Problem
    from pipeline.optimization.solution import ConstraintKind, Status
    from pipeline.values import FloatArray, Payload

ENTRY_POINT_GROUP = "assay.engines"

Handling: TypeAlias = Literal["solved", "projected", "not_applicable", "inherited", "refused"]
"""`solved`: part of the problem solved. `projected`: the nearest weights within the limit are
taken after the solve, and the distance is recorded. `not_applicable`: has no meaning here, nothing
reads it. `inherited`: as the risk profile that is chosen. `refused`: an error before the run."""


@dataclass(frozen=True, slots=True)
class Capability:
    """How one engine treats the limits for one risk profile.

    A combination that is in no table is refused; nothing is attempted that is not declared. A
    single limit may be refused too: then it must be off (`l2_penalty` 0). `side_limits` are caps on
    sectors and asset classes, floors and net exposure.
    """

    engine: str
    risk_profile: RiskProfile
    symbol_cap: Handling
    cluster_cap: Handling
    l2_penalty: Handling
    side_limits: Handling = "refused"
    turnover_limit: Handling = "refused"
    turnover_penalty: Handling = "refused"
    linear_costs: Handling = "refused"
    impact_costs: Handling = "refused"

    @property
    def refused(self) -> bool:
        """Whether the engine cannot solve the risk profile at all."""
        return self.symbol_cap == "refused"


@dataclass(frozen=True, slots=True, eq=False)
class LinearBound:
    """A limit beyond the caps that the problem was solved with: `|coefficients'w| <= limit`."""

    kind: ConstraintKind
    name: str
    coefficients: FloatArray
    limit: float

    def value(self, weights: FloatArray) -> float:
        """Return `coefficients'w`, correctly rounded."""
        return math.fsum((self.coefficients * weights).tolist())


@dataclass(frozen=True, slots=True, eq=False)
class Duals:
    """Prices of the limits beside the caps, in the scale of the certificate.

    Attributes
    ----------
    rows : ndarray of shape (n_rows,)
        One for each of `Problem.rows`, not negative.
    trades : ndarray of shape (n_symbols,)
        Slope of the costs of trading and of the limit on it.
    turnover : float
        Price of the limit on turnover, not negative.
    """

    rows: FloatArray
    trades: FloatArray
    turnover: float


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
    bounds : tuple of LinearBound
        Limits beyond the caps; checked after the solve like the caps, and recorded.
    bound_price : float
        Multiplier of the first of `bounds`; positive where `coefficients'w` is at its upper end.
    shares : ndarray of shape (n_symbols,) or None
        For `risk_parity`: the weights before the caps, summing to 1.
    split : Split or None
        The steps of a tree, where the engine tells them.
    scenarios : ndarray of shape (n_rows,) or None
        For `min_cvar`: the dual, a probability for each row, where the engine tells it.
    duals : Duals or None
        Prices of the limits beside the caps, where the engine tells them.
    """

    status: Status
    weights: FloatArray | None = None
    reason: str = ""
    objective: float | None = None
    iterations: int | None = None
    residuals: Mapping[str, float] = field(default_factory=dict)
    solved_as: RiskProfile | None = None
    bounds: tuple[LinearBound, ...] = ()
    bound_price: float = 0.0
    shares: FloatArray | None = None
    split: Split | None = None
    scenarios: FloatArray | None = None
    duals: Duals | None = None


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


_DECLARED: tuple[Capability, ...] = (
    Capability("custom", "equal_weight", "projected", "projected", "not_applicable"),
    Capability("custom", "benchmark", "projected", "projected", "not_applicable"),
    Capability("custom", "market", "projected", "projected", "not_applicable"),
    Capability("custom", "min_variance", "solved", "solved", "solved"),
    Capability("custom", "max_sharpe", "solved", "solved", "solved"),
    Capability("custom", "max_diversification", "solved", "solved", "solved"),
    Capability("custom", "min_cvar", "solved", "solved", "not_applicable"),
    Capability("custom", "risk_parity", "projected", "projected", "not_applicable"),
    Capability("custom", "hrp", "projected", "projected", "not_applicable"),
    Capability("custom", "herc", "projected", "projected", "not_applicable"),
    Capability("custom", "herc_cvar", "projected", "projected", "not_applicable"),
    Capability("custom", "barbell", "projected", "projected", "not_applicable"),
    Capability("custom", "black_litterman", "solved", "solved", "solved"),
    Capability("custom", "market_neutral", "solved", "solved", "solved"),
    Capability("custom", "adaptive", "inherited", "inherited", "inherited"),
    Capability("skfolio", "min_variance", "solved", "solved", "solved"),
    Capability("skfolio", "max_sharpe", "solved", "solved", "solved"),
    Capability("skfolio", "max_diversification", "solved", "solved", "refused"),
    Capability("skfolio", "min_cvar", "solved", "solved", "not_applicable"),
    Capability("skfolio", "risk_parity", "projected", "projected", "not_applicable"),
    Capability("skfolio", "hrp", "solved", "projected", "not_applicable"),
    Capability("skfolio", "herc", "projected", "projected", "not_applicable"),
    Capability("skfolio", "herc_cvar", "projected", "projected", "not_applicable"),
    Capability("riskfolio", "min_variance", "solved", "solved", "solved"),
    Capability("riskfolio", "max_sharpe", "solved", "solved", "solved"),
    Capability("riskfolio", "max_diversification", "solved", "solved", "solved"),
    Capability("riskfolio", "min_cvar", "solved", "solved", "not_applicable"),
    Capability("riskfolio", "risk_parity", "projected", "projected", "not_applicable"),
    Capability("riskfolio", "hrp", "projected", "projected", "not_applicable"),
    Capability("riskfolio", "herc", "projected", "projected", "not_applicable"),
    Capability("riskfolio", "herc_cvar", "projected", "projected", "not_applicable"),
    Capability("pyportfolioopt", "min_variance", "solved", "solved", "solved"),
    Capability("pyportfolioopt", "max_sharpe", "solved", "solved", "solved"),
    Capability("pyportfolioopt", "max_diversification", "solved", "solved", "solved"),
    Capability("pyportfolioopt", "min_cvar", "solved", "solved", "not_applicable"),
    Capability("pyportfolioopt", "hrp", "projected", "projected", "not_applicable"),
    Capability("pyportfolioopt", "black_litterman", "solved", "solved", "solved"),
    Capability("cvxportfolio", "min_variance", "solved", "solved", "solved"),
)
"""What the built-in engines can do with caps and ridge."""

_ROWS: Mapping[str, Handling] = {"side_limits": "solved"}
_LIMITS: Mapping[str, Handling] = {**_ROWS, "turnover_limit": "solved"}
_COSTS: Mapping[str, Handling] = {**_LIMITS, "linear_costs": "solved", "impact_costs": "solved"}
_ALL: Mapping[str, Handling] = {**_COSTS, "turnover_penalty": "solved"}
_NEAREST: Mapping[str, Handling] = {"side_limits": "projected", "turnover_limit": "projected"}

_FURTHER: Mapping[str, Mapping[str, Mapping[str, Handling]]] = {
    "custom": {
        **dict.fromkeys(("equal_weight", "benchmark", "market", "risk_parity"), _NEAREST),
        **dict.fromkeys(("hrp", "herc", "herc_cvar"), _NEAREST),
        **dict.fromkeys(("min_variance", "market_neutral"), _ALL),
        **dict.fromkeys(("max_sharpe", "black_litterman", "min_cvar"), _COSTS),
        "max_diversification": _LIMITS,
        "adaptive": dict.fromkeys(_ALL, "inherited"),
    },
    "skfolio": {
        **dict.fromkeys(("risk_parity", "hrp", "herc", "herc_cvar"), _NEAREST),
        **dict.fromkeys(("min_variance", "min_cvar"), _LIMITS),
        **dict.fromkeys(("max_sharpe", "max_diversification"), _ROWS),
    },
    "riskfolio": {
        **dict.fromkeys(("risk_parity", "hrp", "herc", "herc_cvar"), _NEAREST),
        **dict.fromkeys(("min_variance", "max_sharpe", "max_diversification", "min_cvar"), _ROWS),
    },
    "pyportfolioopt": {
        "hrp": _NEAREST,
        "min_variance": {**_ALL, "impact_costs": "refused"},
        "min_cvar": _LIMITS,
        **dict.fromkeys(("max_sharpe", "max_diversification", "black_litterman"), _ROWS),
    },
    "cvxportfolio": {"min_variance": _ALL},
}
"""Engine -> risk profile -> what it can do with limits beside the caps and the costs of trading."""

CAPABILITIES: tuple[Capability, ...] = tuple(
    replace(entry, **_FURTHER[entry.engine].get(entry.risk_profile, {}))  # type: ignore[arg-type]
    for entry in _DECLARED
)
"""What the built-in engines can do."""

RISK_PROFILES: tuple[RiskProfile, ...] = get_args(RiskProfile)
"""Every risk profile, in the order of the manifest."""

_BUILT_IN = tuple(dict.fromkeys(capability.engine for capability in CAPABILITIES))

LIBRARIES: Mapping[str, str] = {
    "riskfolio": "riskfolio",
    "pyportfolioopt": "pypfopt",
    "cvxportfolio": "cvxportfolio",
}
"""Engine that is an extra of the same name -> the module it adapts."""


def installed(engine: str) -> bool:
    """Return whether the library of an engine is there; nothing is imported."""
    return engine not in LIBRARIES or find_spec(LIBRARIES[engine]) is not None


def _check_installed(engine: str) -> None:
    if not installed(engine):
        raise ConfigError(
            f"engine {engine} is not installed",
            where=f"optimization.cells, optimization.fallback or meta.cell: engine {engine}",
            why=f"the library {LIBRARIES[engine]!r} is an extra",
            fix=f"install it: `.venv/bin/uv sync --frozen --inexact --extra {engine}`",
        )


@cache
def open_engine(name: str) -> Engine:
    """Return the engine `name`, importing the library it adapts.

    Raises
    ------
    ConfigError
        If no engine of this name is built in or registered, its library is not installed, or
        the registered object is no engine.
    """
    _check_installed(name)
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


def provider(name: str) -> Payload | None:
    """Return name and version of the distribution that registers an engine, `None` if built in.

    Raises
    ------
    ConfigError
        If the distribution tells no name: a record without it could not be replayed.
    """
    if name in _BUILT_IN:
        return None
    found = {point.name: point.dist for point in entry_points(group=ENTRY_POINT_GROUP)}[name]
    if found is None:
        raise ConfigError(
            f"the engine {name!r} is registered by no distribution",
            where=f"entry point {name} of {ENTRY_POINT_GROUP}",
            why="the record names the distribution and version that gave the weights",
            fix="install the engine as a distribution with metadata",
        )
    return {"distribution": found.name, "version": found.version}


def capabilities(engine: str | None = None) -> tuple[Capability, ...]:
    """Return what `engine` can do; without a name, what all built-in engines can do."""
    if engine is None:
        return CAPABILITIES
    if engine in _BUILT_IN:
        return tuple(entry for entry in CAPABILITIES if entry.engine == engine)
    return tuple(open_engine(engine).capabilities)


def capability_table() -> list[Capability]:
    """Return one row for every engine and risk profile there is, what is refused included.

    Engines of other distributions follow the built-in ones; their libraries are imported.

    Raises
    ------
    ConfigError
        If something that is registered is no engine.
    """
    registered = sorted({point.name for point in entry_points(group=ENTRY_POINT_GROUP)})
    names = [*_BUILT_IN, *(name for name in registered if name not in _BUILT_IN)]
    declared = {
        (entry.engine, entry.risk_profile): entry for name in names for entry in capabilities(name)
    }
    return [
        declared.get((name, risk_profile))
        or Capability(name, risk_profile, "refused", "refused", "refused")
        for name in names
        for risk_profile in RISK_PROFILES
    ]


FEATURES: Mapping[str, str] = {
    "l2_penalty": "optimization.l2_penalty",
    "side_limits": "optimization.sector_caps, asset_class_caps, symbol_floors or net_limits",
    "turnover_limit": "optimization.trading.turnover_limit",
    "turnover_penalty": "optimization.trading.turnover_penalty",
    "linear_costs": "optimization.trading.linear_bps",
    "impact_costs": "optimization.trading.impact_coefficient",
}
"""What a manifest may ask for beyond caps -> where it does."""


def asked(params: OptimizationParams) -> tuple[str, ...]:
    """Return which of `FEATURES` a manifest asks for."""
    trading = params.trading
    wanted = {
        "l2_penalty": bool(params.l2_penalty),
        "side_limits": params.sided,
        "turnover_limit": trading.turnover_limit is not None,
        "turnover_penalty": bool(trading.turnover_penalty),
        "linear_costs": trading.linear,
        "impact_costs": trading.rooted,
    }
    return tuple(name for name in FEATURES if wanted[name])


def refusal(entry: Capability, params: OptimizationParams) -> str:
    """Return which feature that a manifest asks for `entry` refuses, empty if none."""
    return next((name for name in asked(params) if getattr(entry, name) == "refused"), "")


def check_cells(cells: Iterable[Cell], params: OptimizationParams | None = None) -> None:
    """Refuse cells that no capability table declares; meant to be called before a run.

    Raises
    ------
    ConfigError
        For the first cell with an unknown engine, one that is not installed, or a risk profile
        its engine cannot solve; with `params` also for `market` without benchmark symbols and for
        a limit or cost that is declared and that the cell cannot honour.
    """
    for cell in cells:
        _check_installed(cell.engine)
        if params is not None and cell.risk_profile == "market" and not params.benchmark_symbols:
            raise ConfigError(
                "market is asked for and no benchmark symbol is declared",
                where="optimization.benchmark_symbols",
                why="the market is what the manifest says it is; all assets would be equal_weight",
                fix='name the symbols to hold, e.g. ["SPY"], or ask for equal_weight',
            )
        able = {entry.risk_profile: entry for entry in capabilities(cell.engine)}
        if cell.risk_profile not in able:
            raise ConfigError(
                f"engine {cell.engine} cannot solve {cell.risk_profile}; it can {', '.join(able)}",
                where=f"cell {cell.label}",
                why="what an engine cannot do is refused, not replaced",
                fix="choose another risk profile for this engine, or the engine `custom`",
            )
        if params is not None:
            _check_features(cell, able, params)


def _check_features(
    cell: Cell, able: Mapping[RiskProfile, Capability], params: OptimizationParams
) -> None:
    """Refuse a cell, or a risk profile that its `adaptive` may become, without a feature asked."""
    chosen = sorted(set(dict(params.adaptive).values()))
    names = chosen if cell.risk_profile == "adaptive" else [cell.risk_profile]
    for name in names:
        feature = refusal(able[name], params) if name in able else ""
        if feature:
            raise ConfigError(
                f"{cell.engine}.{name} cannot honour {feature}, which is declared",
                where=f"cell {cell.label}; {FEATURES[feature]}",
                why="what is declared and not used would change the problem silently",
                fix="turn it off, choose another engine, or put the cell into a profile without "
                "it; `assay engines` lists what each can do",
            )

"""The stage `optimize@1`: training returns and limits -> checked target weights."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline.config import Cell
from pipeline.errors import ConfigError
from pipeline.optimization.barbell import with_room
from pipeline.optimization.checks import (
    check_returns,
    cluster_columns,
    constraint_rows,
    screen,
)
from pipeline.optimization.consensus import check_agreement, opinions
from pipeline.optimization.constraints import Limits, resolve_caps
from pipeline.optimization.engines.base import check_cells, open_engine, provider
from pipeline.optimization.fallback import first_success
from pipeline.optimization.market import with_benchmark_room
from pipeline.optimization.priors import Estimators, estimated_prior, moments, scaled_prior
from pipeline.optimization.problem import Problem
from pipeline.optimization.side_limits import fitted, side_limits
from pipeline.optimization.solution import Adaptive, Solution
from pipeline.optimization.trading import limited, pose_trading, trading_payload
from pipeline.values import frozen_array, iso

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Literal

    from pipeline.config import OptimizationParams, RegimeName
    from pipeline.optimization.constraints import GroupCaps
    from pipeline.optimization.fallback import Success
    from pipeline.optimization.solution import Dropped
    from pipeline.values import Holdings, Returns


def optimize(
    returns: Returns,
    clusters: Mapping[int, Sequence[str]],
    regime: RegimeName,
    cell: Cell,
    params: OptimizationParams,
    *,
    periods_per_year: int,
    seed: int,
    quadrant: str | None = None,
    holdings: Holdings | None = None,
) -> Solution:
    """Return the target weights of one cell, checked, with the evidence for them.

    Symbols without variance are dropped with weight 0. Limits of the regime are resolved by the
    declared rules, the cell and then the fallback chain are tried, and whatever an engine returns
    is checked against every limit.

    Parameters
    ----------
    returns : Returns
        Training returns of the selected symbols, shape (n_rows, n_symbols).
    clusters : mapping of int to sequence of str
        Cluster number -> symbols; every selected symbol in exactly one, others are ignored.
    regime : str
        Regime at the decision date; chooses caps and the barbell's shares.
    cell : Cell
        Engine and risk profile requested.
    params : OptimizationParams
        Limits, penalties and the fallback chain; `cells` is not used here.
    periods_per_year : int
        Rows per year: 252 or 365, from the calendar.
    seed : int
        Passed to engines that draw.
    quadrant : str, optional
        Growth and stress at the decision date, if the detector says; chooses what `adaptive` is
        and the factor of the ridge.
    holdings : Holdings, optional
        The book just before the decision, for turnover and costs; without it the book is empty.

    Returns
    -------
    Solution
        With a weight for every given symbol; `slice_sha256` is left to the caller.

    Raises
    ------
    DataError
        If a return is not finite or a symbol is not in exactly one cluster.
    ConfigError
        If an engine is unknown or not installed, or cannot honour what is declared.
    GateClosedError
        If limits leave no room, or another engine disagrees, and the rule is `stop`.
    SolverError
        If there are too few rows, no symbol has a variance, or every attempt failed.
    """
    tried, adaptive = resolved(cell, regime, quadrant, params)
    cells = (tried, *(resolved(other, regime, quadrant, params)[0] for other in params.fallback))
    check_cells(cells, params)
    for name in params.consensus:
        open_engine(name)
    state = State(regime, quadrant, holdings)
    posed = pose(returns, clusters, state, params, periods_per_year=periods_per_year, seed=seed)

    def ask(wanted: Cell) -> Problem:
        put = replace(posed.problem, risk_profile=wanted.risk_profile)
        room = ROOM.get(wanted.risk_profile)
        return room(put, params.infeasible_caps) if room else put

    found = first_success(cells, ask)
    said = opinions(params.consensus, found.cell, _as_solved(found), found.weights)
    if params.consensus_rule == "stop":
        check_agreement(said, found.cell.label)
    return replace(
        _solution(found, posed, returns), requested=cell, adaptive=adaptive, consensus=said
    )


def _solution(found: Success, posed: Posed, returns: Returns) -> Solution:
    """Return what an attempt that succeeded decided."""
    answer, problem = found.answer, found.problem
    weights = dict.fromkeys(returns.symbols, 0.0)
    weights.update(zip(problem.symbols, found.weights.tolist(), strict=True))
    keeps_cash = problem.limits.total < 1.0 or problem.caps.rule == "cash"
    return Solution(
        as_of=iso(returns.dates[-1]),
        requested=found.cell,
        actual=found.cell,
        status=answer.status,
        objective=answer.objective,
        iterations=answer.iterations,
        residuals=answer.residuals,
        weights=weights,
        cash=1.0 - math.fsum(found.weights.tolist()) if keeps_cash else 0.0,
        caps=problem.caps,
        constraints=constraint_rows(found.weights, problem, answer.bounds),
        dropped=posed.dropped,
        fallbacks=found.failures,
        certificate=found.certificate,
        group_caps=posed.group_caps,
        trading=trading_payload(problem, found.weights),
        provider=provider(found.cell.engine),
    )


def _as_solved(found: Success) -> Problem:
    """Return the problem with the risk profile that gave the weights."""
    return replace(found.problem, risk_profile=found.cell.risk_profile)


ROOM: Mapping[str, Callable[[Problem, Literal["stop", "relax", "cash"]], Problem]] = {
    "barbell": with_room,
    "market": with_benchmark_room,
}
"""Risk profiles that may hold only some symbols -> how the declared rule for caps makes room."""


def resolved(
    cell: Cell, regime: RegimeName, quadrant: str | None, params: OptimizationParams
) -> tuple[Cell, Adaptive | None]:
    """Return the cell that `adaptive` stands for, and how it was chosen; others as they are.

    Raises
    ------
    ConfigError
        If the manifest has no risk profile for the quadrant.
    """
    if cell.risk_profile != "adaptive":
        return cell, None
    known = dict(params.adaptive)
    label = quadrant or regime
    if label not in known:
        raise ConfigError(
            f"no risk profile is declared for {label!r}; there are {', '.join(known)}",
            where="optimization.adaptive",
            why="adaptive takes the risk profile declared for the state of the market",
            fix="use a detector whose states are declared",
        )
    chosen = params.adaptive.of(regime, quadrant)
    return Cell(engine=cell.engine, risk_profile=chosen), Adaptive(regime, quadrant, chosen)


@dataclass(frozen=True, slots=True)
class State:
    """The market and the book at the decision date.

    Attributes
    ----------
    regime : str
        Chooses caps.
    quadrant : str or None
        Growth and stress, if known.
    holdings : Holdings or None
        The book just before the decision; `None` is an empty book.
    """

    regime: RegimeName
    quadrant: str | None = None
    holdings: Holdings | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Posed:
    """A problem and what was settled on the way to it.

    Attributes
    ----------
    problem : Problem
        For all cells; its risk profile is still open.
    dropped : tuple of Dropped
        Symbols left out.
    group_caps : GroupCaps or None
        Caps on sectors and asset classes, if any limit beside the caps is declared.
    """

    problem: Problem
    dropped: tuple[Dropped, ...]
    group_caps: GroupCaps | None = None


def pose(
    returns: Returns,
    clusters: Mapping[int, Sequence[str]],
    state: State,
    params: OptimizationParams,
    *,
    periods_per_year: int,
    seed: int,
) -> Posed:
    """Return the problem of all cells and the symbols left out."""
    check_returns(returns, params.warmup_rows)
    values, regime = np.ascontiguousarray(returns.values), state.regime
    mean, covariances = moments(values)
    active, dropped = screen(returns.symbols, covariances)
    columns = cluster_columns(clusters, returns.symbols, active)
    caps, total = resolve_caps([len(members) for members in columns.values()], regime, params)
    upper = np.full(len(active), min(caps.symbol_cap, caps.cluster_cap))
    kept = values if len(active) == len(returns.symbols) else frozen_array(values[:, active])
    how = Estimators.of(params, regime, periods_per_year)
    factor = params.l2_multipliers.of(regime, state.quadrant) if params.l2_penalty else 1.0
    problem = Problem(
        risk_profile="equal_weight",
        regime=regime,
        symbols=tuple(returns.symbols[i] for i in active),
        returns=kept,
        prior=scaled_prior(mean, covariances, active)
        if how == Estimators()
        else estimated_prior(kept, how),
        caps=caps,
        limits=Limits(total, upper, caps.cluster_cap, tuple(columns.values())),
        cluster_numbers=tuple(columns),
        risk_free_rate=params.risk_free_rate / periods_per_year,
        l2_penalty=params.l2_penalty * factor,
        l2_state=None if factor == 1.0 else state.quadrant or regime,
        aggressive_share=params.barbell_shares.of(regime),
        aggressive_clusters_max=params.barbell_leaders_max,
        benchmark_symbols=params.benchmark_symbols,
        tail_level=params.tail_level,
        black_litterman=params.black_litterman,
        beta_limits=params.beta_limits,
        periods_per_year=periods_per_year,
        seed=seed,
    )
    return _beside_caps(Posed(problem, tuple(dropped)), state, params)


def _beside_caps(posed: Posed, state: State, params: OptimizationParams) -> Posed:
    """Return the problem with the limits beside the caps and the book, where they are declared."""
    problem, groups = posed.problem, None
    rows = side_limits(params, state.regime, problem.symbols)
    if rows:
        total, rows, groups = fitted(problem.limits, rows, params.infeasible_caps)
        limits = replace(problem.limits, total=total)
        problem = replace(problem, rows=rows, limits=limits)
    trading = pose_trading(params.trading, state.holdings, problem.symbols, problem.prior)
    if trading is not None:
        rule = params.trading.infeasible_turnover
        trading = limited(trading, problem.limits, rows, rule)
        problem = replace(problem, trading=trading)
    return replace(posed, problem=problem, group_caps=groups)

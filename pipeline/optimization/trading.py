"""What a decision knows of the book it changes: holdings, turnover, costs.

Weights held are those just before the decision, drifted with the prices, as fractions of NAV. What
is held of symbols that cannot be weighed any more is sold in any case.

Linear costs are proportional to traded value. The square-root law says that trading a value `Q`
moves the price by `coefficient * volatility * sqrt(Q / V)` with the volatility of a day and the
traded value `V` of an average day (Almgren, Thum, Hauptmann and Li 2005, "Direct estimation of
equity market impact"; Grinold and Kahn 2000, "Active portfolio management", chapter 16), so its
cost grows with the power 3/2 of the trade. The prices of this project have no volume: `V` is
declared, in multiples of NAV.

A cost is paid once and a variance is borne every day, so a cost is spread over the days until the
next decision. Beside a variance it counts `2 / risk_aversion` times: the mean-variance investor of
that aversion gives up this much return for it. Beside a return or a tail loss it counts as it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

import numpy as np

from pipeline.errors import ConfigError, GateClosedError
from pipeline.optimization.frictions import Frictions, solve_traded
from pipeline.optimization.quadratic import QuadraticProgram
from pipeline.optimization.side_limits import with_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Literal

    from pipeline.config import TradingParams
    from pipeline.optimization.constraints import Limits
    from pipeline.optimization.priors import Prior
    from pipeline.optimization.problem import Problem
    from pipeline.optimization.side_limits import SideLimit
    from pipeline.values import FloatArray, Holdings, Payload

BASIS_POINT = 1e-4
"""As a fraction."""

ROOM = 1e-6
"""Turnover that a relaxed limit allows beyond the least, so that the set has an interior."""


@dataclass(frozen=True, slots=True, eq=False)
class Trading:
    """The book before the decision, and what changing it costs.

    Attributes
    ----------
    held : ndarray of shape (n_symbols,)
        Weights just before the decision.
    cash : float
        Cash just before it, as a fraction of NAV.
    leaving : float
        Absolute weights of what is held of other symbols: it is sold.
    penalty : float
        On each unit of traded weight, in units of the mean variance.
    linear : ndarray of shape (n_symbols,)
        Cost per traded value.
    root : ndarray of shape (n_symbols,)
        Cost of a trade `u` over `|u|^(3/2)`.
    holding_days : int
        Rows over which a cost is spread.
    risk_aversion : float
        Return per unit of variance.
    limit, limit_requested : float or None
        Most one-way turnover, in force and as declared.
    rule : {"none", "initial", "relax"}
        `initial`: the book is empty, its first purchase is not limited.
    declared : payload
        The prices as the manifest declares them, for the record.
    """

    held: FloatArray
    cash: float
    leaving: float
    penalty: float
    linear: FloatArray
    root: FloatArray
    holding_days: int
    risk_aversion: float
    limit: float | None
    limit_requested: float | None
    rule: Literal["none", "initial", "relax"] = "none"
    declared: Payload = field(default_factory=dict)

    def turnover(self, weights: FloatArray) -> float:
        """Return the one-way turnover to `weights`: half of all trades, the cash leg included."""
        cash = abs(1.0 - math.fsum(weights.tolist()) - self.cash)
        moved = np.abs(weights - self.held).tolist()
        return math.fsum([*moved, self.leaving, cash]) / 2.0

    def room(self, total: float) -> float | None:
        """Return how much of the symbols may be traded, for weights that sum to `total`."""
        if self.limit is None:
            return None
        return 2.0 * self.limit - self.leaving - abs(1.0 - total - self.cash)

    def linear_cost(self, weights: FloatArray) -> float:
        """Return the costs in proportion to traded value, as a fraction of NAV."""
        return math.fsum((self.linear * np.abs(weights - self.held)).tolist())

    def impact_cost(self, weights: FloatArray) -> float:
        """Return the costs by the square-root law, as a fraction of NAV."""
        size = np.abs(weights - self.held)
        return math.fsum((self.root * size * np.sqrt(size)).tolist())


def pose_trading(
    params: TradingParams, holdings: Holdings | None, symbols: Sequence[str], prior: Prior
) -> Trading | None:
    """Return the book and its prices; `None` if the manifest gives no weight to them.

    Parameters
    ----------
    params : TradingParams
        Prices and limit; `holding_days` must be set where something has a price.
    holdings : Holdings or None
        Just before the decision; `None` is an empty book.
    symbols : sequence of str
        The columns of `prior`.
    prior : Prior
        Its volatilities enter the square-root law.

    Raises
    ------
    ConfigError
        If a volume or the days to spread costs over are missing.
    """
    if not params.used:
        return None
    weights = {} if holdings is None or not holdings.positions else holdings.weights()
    outside = [abs(weight) for symbol, weight in weights.items() if symbol not in set(symbols)]
    empty = not any(weights.values())
    cash = 1.0 - math.fsum(weights.values())
    linear = [params.linear_bps_of.get(s, params.linear_bps) * BASIS_POINT for s in symbols]
    return Trading(
        np.array([weights.get(symbol, 0.0) for symbol in symbols]),
        cash,
        math.fsum(outside),
        params.turnover_penalty,
        np.array(linear),
        _roots(params, symbols, prior),
        _days(params),
        params.risk_aversion,
        None if empty else params.turnover_limit,
        params.turnover_limit,
        "initial" if empty and params.turnover_limit is not None else "none",
        cast("Payload", params.model_dump(mode="json", include=set(PRICES))),
    )


PRICES = (
    "turnover_penalty",
    "linear_bps",
    "linear_bps_of",
    "impact_coefficient",
    "daily_volume",
    "daily_volume_of",
    "holding_days",
    "risk_aversion",
)
"""Parameters that decide what a trade costs; certificates state them."""


def _roots(params: TradingParams, symbols: Sequence[str], prior: Prior) -> FloatArray:
    if not params.rooted:
        return np.zeros(len(symbols))
    volumes = [params.daily_volume_of.get(s, params.daily_volume) for s in symbols]
    missing = [s for s, volume in zip(symbols, volumes, strict=True) if volume is None]
    if missing:
        raise ConfigError(
            f"no daily volume is declared for {', '.join(missing[:6])}",
            where="optimization.trading.daily_volume",
            why="the square-root law needs how much is traded on a day, in multiples of NAV",
            fix="set optimization.trading.daily_volume or daily_volume_of",
        )
    deviations = np.sqrt(np.diagonal(prior.covariance) * prior.mean_variance)
    root: FloatArray = params.impact_coefficient * deviations / np.sqrt(np.array(volumes, float))
    return root


def _days(params: TradingParams) -> int:
    if params.holding_days is not None:
        return params.holding_days
    if params.linear or params.rooted:
        raise ConfigError(
            "costs are declared and no days to spread them over",
            where="optimization.trading.holding_days",
            why="a cost is paid once, a variance is borne every day",
            fix="set optimization.trading.holding_days; a run takes walk_forward.step_days",
        )
    return 1


def limited(
    trading: Trading,
    limits: Limits,
    rows: Sequence[SideLimit],
    rule: Literal["stop", "relax"],
) -> Trading:
    """Return `trading` with a turnover limit that some allowed weights keep.

    Raises
    ------
    GateClosedError
        If none keep it and the rule is `stop`.
    """
    if trading.limit is None:
        return trading
    least = least_turnover(trading, limits, rows)
    if least <= trading.limit:
        return trading
    if rule == "relax":
        return replace(trading, limit=least + ROOM, rule="relax")
    raise GateClosedError(
        f"every allowed book needs a turnover of at least {least:.6g}, "
        f"the limit is {trading.limit:g}",
        where=f"optimization.trading.turnover_limit; {trading.leaving:.6g} of NAV must be sold",
        why="what is no longer selected is sold, and caps may force trades",
        fix="raise the limit, or set optimization.trading.infeasible_turnover to `relax`",
    )


def least_turnover(trading: Trading, limits: Limits, rows: Sequence[SideLimit]) -> float:
    """Return the least one-way turnover that any allowed weights need."""
    n = len(trading.held)
    program = QuadraticProgram(np.zeros((n, n)), np.zeros(n), with_rows(limits, rows))
    ended = solve_traded(program, Frictions(trading.held, np.ones(n), np.zeros(n)))
    return trading.turnover(ended.found.x)


def variance_frictions(problem: Problem) -> Frictions:
    """Return the costs beside the variance of mean 1."""
    trading = traded(problem)
    unit = 2.0 / (trading.risk_aversion * trading.holding_days * problem.prior.mean_variance)
    return _frictions(problem, unit, trading.penalty)


def return_frictions(problem: Problem) -> Frictions:
    """Return the costs beside returns over the root of their mean variance."""
    unit = 1.0 / (traded(problem).holding_days * math.sqrt(problem.prior.mean_variance))
    return _frictions(problem, unit, 0.0)


def no_cost_frictions(problem: Problem) -> Frictions:
    """Return the limit on turnover alone."""
    return _frictions(problem, 0.0, 0.0)


def _frictions(problem: Problem, unit: float, penalty: float) -> Frictions:
    trading = traded(problem)
    return Frictions(
        trading.held,
        penalty + unit * trading.linear,
        unit * trading.root,
        trading.room(problem.limits.total),
    )


def traded(problem: Problem) -> Trading:
    """Return the book of a problem; one without is an empty book that costs nothing to change."""
    if problem.trading is not None:
        return problem.trading
    none = np.zeros(len(problem.symbols))
    return Trading(none, 1.0, 0.0, 0.0, none, none, 1, 1.0, None, None)


def trading_payload(problem: Problem, weights: FloatArray) -> Payload | None:
    """Return the `trading` of an optimize result; `None` if the book does not matter."""
    found = problem.trading
    if found is None:
        return None
    held: Mapping[str, float] = {
        symbol: weight
        for symbol, weight in zip(problem.symbols, found.held.tolist(), strict=True)
        if weight
    }
    return {
        "holdings": dict(held),
        "cash": found.cash,
        "leaving": found.leaving,
        "turnover_one_way": found.turnover(weights),
        "turnover_limit": found.limit,
        "turnover_limit_requested": found.limit_requested,
        "rule": found.rule,
        "linear_cost": found.linear_cost(weights),
        "impact_cost": found.impact_cost(weights),
    }

"""Evidence of optimality that stands in the record: who holds it needs no solver and not our word.

Convex risk profiles (`kind` `optimum`): a convex function lies above its tangent, so the minimum of
the tangent over the allowed weights bounds the objective from below. That linear minimum has a dual
in closed form: a price of weight (`budget`), a discount for each full cluster (`clusters`) and one
for each full symbol (`symbols`). Only those above zero are recorded. With them anyone computes the
bound in one line and sees how far the weights are from the best ones (`gap`): this is the KKT
system, for weights of any engine.

Limits beside the caps and costs of trading (`beside`) add a price of each limit and a slope for
each trade; with them the bound is of the same kind.

What is projected on the caps (`projection`): the weights before (`shares`), and the same prices for
the distance. Trees (`steps`): merges, order of the leaves and the share of the first side at each
split; for large universes their digest.

Units: the covariance has mean variance 1; the gap of a ratio is that of its logarithm.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline.optimization import hierarchy, risk_profiles
from pipeline.optimization.barbell import part, sides
from pipeline.optimization.beside import Beside, own
from pipeline.optimization.constraints import prices
from pipeline.optimization.market import benchmark_limits, betas
from pipeline.optimization.nearest import limited_by_caps
from pipeline.optimization.objectives import ridged, with_views
from pipeline.optimization.quadratic import linear_set
from pipeline.optimization.tail import (
    least_tail_loss,
    portfolio_losses,
    tail_loss,
    tail_rows,
)
from pipeline.optimization.trading import (
    no_cost_frictions,
    return_frictions,
    variance_frictions,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipeline.config import RiskProfile
    from pipeline.optimization.constraints import Limits
    from pipeline.optimization.engines.base import Answer
    from pipeline.optimization.hierarchy import Split
    from pipeline.optimization.problem import Problem
    from pipeline.values import FloatArray, Json, Payload

GAP_LIMIT = 1e-4
"""Weights of an engine further than this from the best ones have not solved the problem."""

AGREEMENT_LIMIT = 1e-6
"""Weights of another engine further than this from our tree have other steps than ours."""

LARGEST_TREE = 64
"""Assets above which the steps of a tree are recorded as a digest."""

_NEGLIGIBLE = 1e-10
"""Prices below this share of the largest slope are rounding; leaving them out costs that much."""


def certificate(problem: Problem, answer: Answer, weights: FloatArray) -> Payload | None:
    """Return the certificate of accepted weights; `None` if these weights have none.

    Only weights of a tree that another engine split under caps have none: its steps are not ours.
    """
    name = problem.risk_profile if answer.solved_as is None else answer.solved_as
    return _CERTIFICATES[name](problem, answer, weights)


def _variance(problem: Problem, answer: Answer, weights: FloatArray) -> Payload:
    slope = 2.0 * (ridged(problem) * weights).sum(axis=1)
    beside = Beside.of(problem, answer, weights, variance_frictions)
    return _optimum(problem, slope, _dot(slope, weights), _ridge(problem), beside)


def _ridge(problem: Problem) -> Payload:
    """Return the ridge in force, and the state of the market where it has a factor of its own."""
    told: Payload = {"l2_penalty": problem.l2_penalty}
    return told if problem.l2_state is None else {**told, "l2_state": problem.l2_state}


def _neutral(problem: Problem, answer: Answer, weights: FloatArray) -> Payload:
    bound, slope = answer.bounds[0], 2.0 * (ridged(problem) * weights).sum(axis=1)
    price = answer.bound_price
    found = _optimum(
        problem,
        slope + price * betas(problem),
        _dot(slope, weights) + abs(price) * bound.limit,
        {
            **_ridge(problem),
            "beta_limit": bound.limit,
            "benchmark_symbols": list(problem.benchmark_symbols),
        },
        Beside.of(problem, answer, weights, variance_frictions),
    )
    found["beta_price"] = price
    return found


def _ratio(
    problem: Problem, answer: Answer, weights: FloatArray, gains: FloatArray, parameters: Payload
) -> Payload:
    """Certify a ratio `gains'w / sqrt(w'Sw)` by minus its logarithm, whose tangent is flat at w.

    Costs of trading are subtracted from the gain.
    """
    risk = (ridged(problem) * weights).sum(axis=1)
    net, beside = _dot(gains, weights), None
    if not problem.plain:
        costs, scale = return_frictions, math.sqrt(problem.prior.mean_variance)
        if problem.risk_profile == "max_diversification":
            costs, scale = no_cost_frictions, 1.0
        gains = gains / scale
        net = _dot(gains, weights) - costs(problem).cost(weights)
        beside = Beside.of(problem, answer, weights, costs, net)
    slope = risk / _dot(risk, weights) - gains / net
    told = {**_ridge(problem), **parameters}
    return _optimum(problem, slope, _dot(slope, weights), told, beside)


def _sharpe(problem: Problem, answer: Answer, weights: FloatArray) -> Payload:
    excess = problem.prior.mean - problem.risk_free_rate
    return _ratio(problem, answer, weights, excess, {"risk_free_rate": problem.risk_free_rate})


def _diversification(problem: Problem, answer: Answer, weights: FloatArray) -> Payload:
    deviations = np.sqrt(np.diagonal(problem.prior.covariance))
    return _ratio(problem, answer, weights, deviations, {})


def _views(problem: Problem, answer: Answer, weights: FloatArray) -> Payload | None:
    updated, told = with_views(problem), problem.black_litterman
    if updated is None:
        return None
    parameters: Payload = {
        "risk_aversion": told.risk_aversion,
        "tau": told.tau,
        "view_clusters": told.view_clusters,
        "view_return": told.of(problem.regime) / problem.periods_per_year,
        "confidence": told.confidence,
        "benchmark_symbols": list(problem.benchmark_symbols),
    }
    # What the views imply is a Sharpe ratio like any other, for our engine too.
    updated = replace(updated, risk_profile="max_sharpe")
    return _ratio(updated, answer, weights, updated.prior.mean, parameters)


def _tail(problem: Problem, answer: Answer, weights: FloatArray) -> Payload:
    """Certify the tail by the probability of each row under which its loss is expected.

    An engine that returns no dual gets that of our own programme: any dual bounds any weights.
    """
    returns, level = problem.scaled_returns, problem.tail_level
    likely = answer.scenarios
    if likely is None and problem.plain:
        likely = least_tail_loss(returns, level, linear_set(problem.limits)).scenarios
    if likely is None:
        likely = own(problem).scenarios
    if likely is None:
        likely = np.full(len(returns), 1.0 / len(returns))
    cap = 1.0 / tail_rows(len(returns), level)
    whole, parts = _scenarios(likely, cap)
    likely = np.zeros(len(returns))
    likely[whole] = cap
    likely[list(parts)] = list(parts.values())
    slope = 0.0 - (returns * likely[:, None]).sum(axis=0)
    value = tail_loss(portfolio_losses(returns, weights), level)
    beside = Beside.of(problem, answer, weights, return_frictions)
    found = _optimum(problem, slope, value, {"tail_level": level}, beside)
    named: dict[str, Json] = {str(row): share for row, share in parts.items()}
    found["tail"] = {"rows": list(whole), "shares": named}
    return found


def _scenarios(likely: FloatArray, cap: float) -> tuple[list[int], dict[int, float]]:
    """Return the rows with the full probability and those with a part, summing to 1 together."""
    whole = np.flatnonzero(likely > cap * (1.0 - 1e-6)).tolist()
    partly = np.flatnonzero((likely > cap * 1e-6) & (likely <= cap * (1.0 - 1e-6)))
    rest = 1.0 - len(whole) * cap
    held = math.fsum(likely[partly].tolist())
    return whole, {int(row): float(likely[row]) * rest / held for row in partly}


def _optimum(
    problem: Problem,
    slope: FloatArray,
    value: float,
    parameters: Payload,
    beside: Beside | None = None,
) -> Payload:
    """Return the certificate of weights that are at most `value - min slope'v` from the best."""
    told = beside.parameters() if beside else {}
    return {
        "kind": "optimum",
        "parameters": {**parameters, **problem.prior.to_payload(), **told},
        **_priced(problem, slope, value, problem.limits, beside),
    }


def _priced(
    problem: Problem,
    slope: FloatArray,
    value: float,
    limits: Limits,
    beside: Beside | None = None,
) -> Payload:
    if beside is not None:
        slope, value = slope + beside.slope(), value + beside.value()
    found = prices(slope, limits, _NEGLIGIBLE * float(np.abs(slope).max(initial=0.0)))
    return {
        "prices": {
            "budget": found.budget,
            "clusters": {
                str(number): price
                for number, price in zip(problem.cluster_numbers, found.clusters, strict=True)
                if price
            },
            "symbols": {
                symbol: price
                for symbol, price in zip(problem.symbols, found.symbols, strict=True)
                if price
            },
            **(beside.prices() if beside else {}),
        },
        **(beside.limits() if beside else {}),
        "gap": max(0.0, value - found.minimum),
    }


def _projection(
    problem: Problem,
    answer: Answer,
    weights: FloatArray,
    shares: FloatArray,
    limits: Limits | None = None,
) -> Payload:
    """Return the prices that prove `weights` nearest to `shares` of the total."""
    held = problem.limits if limits is None else limits
    slope = weights - shares * held.total
    beside = None
    if not limited_by_caps(problem):
        beside = Beside.of(problem, answer, weights, no_cost_frictions)
    return _priced(problem, slope, _dot(slope, weights), held, beside)


def _equal_weight(problem: Problem, answer: Answer, weights: FloatArray) -> Payload:
    shares = risk_profiles.equal_weight(len(weights))
    return {"kind": "projection", **_projection(problem, answer, weights, shares)}


def _benchmark(problem: Problem, answer: Answer, weights: FloatArray) -> Payload:
    shares = risk_profiles.benchmark(problem.limits.clusters)
    return {"kind": "projection", **_projection(problem, answer, weights, shares)}


def _market(problem: Problem, answer: Answer, weights: FloatArray) -> Payload:
    held = [symbol in problem.benchmark_symbols for symbol in problem.symbols]
    shares = np.where(held, 1.0, 0.0) / sum(held)
    told: Payload = {"benchmark_symbols": list(problem.benchmark_symbols)}
    priced = _projection(problem, answer, weights, shares, benchmark_limits(problem))
    return {"kind": "projection", "parameters": told, **priced}


def _equal_risk(problem: Problem, answer: Answer, weights: FloatArray) -> Payload | None:
    """Return the shares before the caps: that they contribute equally needs only a product."""
    shares = answer.shares
    if shares is None:
        return None
    named: dict[str, Json] = dict(zip(problem.symbols, shares.tolist(), strict=True))
    return {
        "kind": "projection",
        "parameters": problem.prior.to_payload(),
        "shares": named,
        **_projection(problem, answer, weights, shares),
    }


def _hrp(problem: Problem, answer: Answer, weights: FloatArray) -> Payload | None:
    split = answer.split or hierarchy.hrp(problem.prior.covariance)
    return _steps(problem, answer, weights, split, problem.prior.to_payload())


def _herc(problem: Problem, answer: Answer, weights: FloatArray) -> Payload | None:
    split = answer.split or hierarchy.herc_variance(
        problem.prior.covariance, len(problem.limits.clusters)
    )
    return _steps(problem, answer, weights, split, problem.prior.to_payload())


def _herc_cvar(problem: Problem, answer: Answer, weights: FloatArray) -> Payload | None:
    split = answer.split or hierarchy.herc_tail(
        problem.prior.covariance,
        len(problem.limits.clusters),
        problem.scaled_returns,
        problem.tail_level,
    )
    parameters: Payload = {"tail_level": problem.tail_level, **problem.prior.to_payload()}
    return _steps(problem, answer, weights, split, parameters)


def _steps(
    problem: Problem, answer: Answer, weights: FloatArray, split: Split, parameters: Payload
) -> Payload | None:
    priced = _projection(problem, answer, weights, split.weights)
    if float(priced["gap"] or 0.0) > AGREEMENT_LIMIT:  # type: ignore[arg-type]
        return None
    return {"kind": "steps", "parameters": parameters, **steps_payload(split), **priced}


def steps_payload(split: Split) -> Payload:
    """Return merges, leaves and shares, or `steps_sha256` of their canonical JSON if many."""
    merges: list[Json] = [list(pair) for pair in split.tree.merges]
    steps: Payload = {
        "merges": merges,
        "order": list(split.tree.order),
        "splits": list(split.shares),
    }
    if len(split.tree.order) <= LARGEST_TREE:
        return steps
    text = json.dumps(steps, separators=(",", ":"), sort_keys=True)
    return {"steps_sha256": hashlib.sha256(text.encode()).hexdigest()}


def _barbell(problem: Problem, answer: Answer, weights: FloatArray) -> Payload | None:
    """Return leaders and their share, then the core as any other projection or tree."""
    found = sides(problem)
    leaders, core = list(found.leaders), list(found.core)
    rest = problem.limits.total - found.aggressive
    inner = part(problem.limits, core, found.core_clusters, rest)
    split = answer.split
    shares = risk_profiles.equal_weight(len(core)) if split is None else split.weights
    inside = replace(
        problem,
        symbols=tuple(problem.symbols[i] for i in core),
        cluster_numbers=tuple(
            number
            for number, members in zip(
                problem.cluster_numbers, problem.limits.clusters, strict=True
            )
            if not set(members) & set(leaders)
        ),
    )
    return {
        "kind": "barbell",
        "parameters": {
            "aggressive_share": problem.aggressive_share,
            "aggressive_clusters_max": problem.aggressive_clusters_max,
            **problem.prior.to_payload(),
        },
        "leaders": [problem.symbols[leader] for leader in leaders],
        "aggressive": found.aggressive,
        **({} if split is None else steps_payload(split)),
        **_projection(inside, answer, weights[core], shares, inner),
    }


def _dot(one: FloatArray, other: FloatArray) -> float:
    return math.fsum((one * other).tolist())


_CERTIFICATES: Mapping[RiskProfile, Callable[[Problem, Answer, FloatArray], Payload | None]] = {
    "equal_weight": _equal_weight,
    "benchmark": _benchmark,
    "market": _market,
    "min_variance": _variance,
    "max_sharpe": _sharpe,
    "max_diversification": _diversification,
    "min_cvar": _tail,
    "risk_parity": _equal_risk,
    "hrp": _hrp,
    "herc": _herc,
    "herc_cvar": _herc_cvar,
    "barbell": _barbell,
    "black_litterman": _views,
    "market_neutral": _neutral,
}

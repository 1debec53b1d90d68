"""Stage 3: rules that remove a symbol, on raw features, each with a recorded verdict.

Entropy, efficiency and Hurst exponent are compared as percentiles of what noise of as many rows
gives: a limit on the raw value would veto nothing or everything, depending on the rows.

The hard rules, health and zero variance, are never relaxed. When fewer than `minimum_selected`
symbols survive (or fewer than pass the hard rules, if those are fewer), the soft rules are relaxed
in rounds, and the first round with enough survivors is taken, else the last:

    0  the limits as configured
    1  entropy, efficiency and Hurst limits halfway to where they veto nothing
    2  entropy, efficiency and Hurst lifted
    3  volatility lifted too

A limit only ever moves outwards, so the vetoes of a round are a subset of those of the one before.
"""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipeline.predictability import null_percentile
from pipeline.selection.context import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.config import SelectionParams
    from pipeline.selection.context import Context, Features

ROUNDS = 4
"""Rounds of relaxation, the unrelaxed one included."""

ZERO_VARIANCE_LIMIT = 1e-9
"""Standard deviation of returns per period at or below which a symbol counts as not moving."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a rule may look at: one symbol's features and the numbers they depend on."""

    features: Features
    feature_rows: int
    entropy_order: int
    periods_per_year: int


@dataclass(frozen=True, slots=True)
class Rule:
    """One veto.

    Attributes
    ----------
    name : str
        As recorded in the verdict.
    hard : bool
        Never relaxed.
    measure : callable
        Subject -> value, None if it cannot be computed.
    limit : callable
        Parameters and round -> limit, None once lifted.
    holds : callable
        Value and limit -> whether the symbol passes.
    worst : float
        What a value of None is compared as.
    """

    name: str
    hard: bool
    measure: Callable[[Subject], float | None]
    limit: Callable[[SelectionParams, int], float | None]
    holds: Callable[[float, float], bool]
    worst: float


def vetoes(context: Context) -> Context:
    """Set `verdicts`, `relaxed` and `survivors`."""
    healthy = frozenset(context.universe)
    health = {s: Verdict(s, "health", float(s in healthy), 1.0, s in healthy) for s in healthy}
    health |= {s: Verdict(s, "health", 0.0, 1.0, passed=False) for s in _unhealthy(context)}
    measured = {one.features.symbol: _measure(one) for one in _subjects(context)}
    enough = min(context.params.minimum_selected, _hard_survivors(measured, context.params))
    for relaxed in range(ROUNDS):
        judged = {s: judge(s, values, context.params, relaxed) for s, values in measured.items()}
        survivors = tuple(sorted(s for s, own in judged.items() if all(v.passed for v in own)))
        if len(survivors) >= enough:
            break
    verdicts = tuple(v for s in sorted(health) for v in (health[s], *judged.get(s, ())))
    return replace(context, verdicts=verdicts, relaxed=relaxed, survivors=survivors)


def judge(
    symbol: str, values: tuple[float | None, ...], params: SelectionParams, relaxed: int
) -> tuple[Verdict, ...]:
    """Return the verdict of every rule on one symbol in round `relaxed`.

    Parameters
    ----------
    values : tuple of float or None
        What each rule measured, in the order of `RULES`.
    """
    return tuple(
        _verdict(symbol, rule, value, rule.limit(params, relaxed))
        for rule, value in zip(RULES, values, strict=True)
    )


def _verdict(symbol: str, rule: Rule, value: float | None, limit: float | None) -> Verdict:
    compared = rule.worst if value is None else value
    passed = limit is None or rule.holds(compared, limit)
    return Verdict(symbol, rule.name, value, limit, passed)


def _unhealthy(context: Context) -> tuple[str, ...]:
    return tuple(sorted(set(context.panel.symbols) - set(context.universe)))


def _subjects(context: Context) -> tuple[Subject, ...]:
    rows = min(context.params.feature_days, len(context.returns.values))
    order, periods = context.params.entropy_order, context.periods_per_year
    return tuple(Subject(one, rows, order, periods) for one in context.features)


def _measure(subject: Subject) -> tuple[float | None, ...]:
    return tuple(rule.measure(subject) for rule in RULES)


def _hard_survivors(measured: dict[str, tuple[float | None, ...]], params: SelectionParams) -> int:
    hard = [i for i, rule in enumerate(RULES) if rule.hard]
    judged = (judge(symbol, values, params, 0) for symbol, values in measured.items())
    return sum(all(verdicts[i].passed for i in hard) for verdicts in judged)


def _deviation(subject: Subject) -> float:
    """Return the standard deviation of returns per period."""
    return subject.features.volatility / math.sqrt(subject.periods_per_year)


def _entropy(subject: Subject) -> float | None:
    value = subject.features.entropy
    if value is None:
        return None
    order = subject.entropy_order
    return null_percentile("permutation_entropy", value, subject.feature_rows, order)


def _efficiency(subject: Subject) -> float | None:
    value = subject.features.efficiency
    if value is None:
        return None
    return null_percentile("efficiency_ratio", value, subject.feature_rows)


def _hurst(subject: Subject) -> float | None:
    """Return the distance of the Hurst exponent's percentile from the median of noise."""
    value = subject.features.hurst
    if value is None:
        return None
    return abs(null_percentile("hurst_exponent", value, subject.feature_rows) - 0.5)


def _towards(limit: float, harmless: float, relaxed: int) -> float | None:
    """Return `limit`, then halfway to where it vetoes nothing, then None."""
    return (limit, 0.5 * (limit + harmless), None, None)[relaxed]


RULES: tuple[Rule, ...] = (
    Rule(
        name="zero_variance",
        hard=True,
        measure=_deviation,
        limit=lambda _params, _relaxed: ZERO_VARIANCE_LIMIT,
        holds=operator.gt,
        worst=0.0,
    ),
    Rule(
        name="entropy_null_percentile",
        hard=False,
        measure=_entropy,
        limit=lambda params, relaxed: _towards(params.entropy_null_percentile_max, 1.0, relaxed),
        holds=operator.le,
        worst=1.0,
    ),
    Rule(
        name="efficiency_null_percentile",
        hard=False,
        measure=_efficiency,
        limit=lambda params, relaxed: _towards(params.efficiency_null_percentile_min, 0.0, relaxed),
        holds=operator.ge,
        worst=0.0,
    ),
    Rule(
        name="hurst_null_distance",
        hard=False,
        measure=_hurst,
        limit=lambda params, relaxed: _towards(params.hurst_null_half_width, 0.0, relaxed),
        holds=operator.ge,
        worst=0.0,
    ),
    Rule(
        name="volatility",
        hard=False,
        measure=lambda subject: subject.features.volatility,
        limit=lambda params, relaxed: params.volatility_max if relaxed < ROUNDS - 1 else None,
        holds=operator.le,
        worst=math.inf,
    ),
)
"""Every rule after health, in the order in which the verdicts are recorded."""

"""Stage 4: one score per survivor, from ranks.

Ranks, because one outlier must not decide: a feature enters as its percentile rank among the
survivors, and a symbol that was vetoed does not move anyone's rank.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import ConfigError
from pipeline.selection.context import Score

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.selection.context import Context, Features
    from pipeline.values import FloatArray

SCORED = ("efficiency", "momentum", "predictability", "stability")
"""Features that `selection.weights` may name; the higher, the better."""


def scoring(context: Context) -> Context:
    """Set `scores`.

    Raises
    ------
    ConfigError
        If `selection.weights` names an unknown feature, has a negative weight, or sums to 0.
    """
    weights = _checked(context.params.weights)
    alive = frozenset(context.survivors)
    rows = [one for one in context.features if one.symbol in alive]
    total = math.fsum(weights.values())
    scores = np.zeros(len(rows))
    for name in sorted(weights):
        scores += weights[name] / total * percentile_ranks([_scored(one, name) for one in rows])
    ranked = sorted(range(len(rows)), key=lambda i: (-scores[i], rows[i].symbol))
    ranks = {i: rank for rank, i in enumerate(ranked, start=1)}
    return replace(
        context,
        scores=tuple(Score(one.symbol, float(scores[i]), ranks[i]) for i, one in enumerate(rows)),
    )


def percentile_ranks(values: Sequence[float]) -> FloatArray:
    """Return the rank of each value divided by their number, ties sharing their average rank.

    >>> percentile_ranks([10.0, 30.0, 10.0, 20.0]).tolist()
    [0.375, 1.0, 0.375, 0.75]
    """
    array = np.array(values, dtype=np.float64)
    below = (array[:, None] > array[None, :]).sum(axis=1)
    equal = (array[:, None] == array[None, :]).sum(axis=1)
    ranks: FloatArray = below + (equal + 1) / 2
    return ranks / max(1, len(array))


def _scored(features: Features, name: str) -> float:
    """Return the value that is ranked; a feature that cannot be computed ranks below all."""
    value = {
        "efficiency": features.efficiency,
        "momentum": features.momentum,
        # Distance from the random walk in either direction: 1 - 2|H - 0.5| would reward noise.
        "predictability": None if features.hurst is None else 2.0 * abs(features.hurst - 0.5),
        "stability": -features.volatility,
    }[name]
    return -math.inf if value is None else value


def _checked(weights: Mapping[str, float]) -> Mapping[str, float]:
    unknown = sorted(set(weights) - set(SCORED))
    usable = not unknown and min(weights.values(), default=0.0) >= 0.0
    if usable and math.fsum(weights.values()) > 0.0:
        return weights
    raise ConfigError(
        f"expected weights of at least 0 with a positive sum for {', '.join(SCORED)}, "
        f"found {dict(sorted(weights.items()))}",
        where="selection.weights",
        why="the score is a weighted mean of ranks, the higher the better",
        fix=f"remove {', '.join(unknown)}" if unknown else "give at least one positive weight",
    )

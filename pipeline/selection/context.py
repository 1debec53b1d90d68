"""What the stages of the funnel read and write.

A stage takes a `Context` and returns another; none is ever changed. Fields that a stage has not
reached yet are empty.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pipeline.values import Returns, frozen_array, frozen_dates

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.config import SelectionParams
    from pipeline.selection.top import Top
    from pipeline.values import Json, Panel, Payload


@dataclass(frozen=True, slots=True)
class Features:
    """Raw features of one symbol; None where a feature cannot be computed.

    Attributes
    ----------
    momentum : float or None
        Cumulative simple return, the most recent `momentum_skip_days` left out.
    volatility : float
        Annualised standard deviation of simple returns.
    entropy, hurst, efficiency : float or None
        Permutation entropy, Hurst exponent and efficiency ratio of the last `feature_days` rows.
    """

    symbol: str
    momentum: float | None
    volatility: float
    entropy: float | None
    hurst: float | None
    efficiency: float | None

    def to_payload(self) -> Payload:
        """Return the features as recorded."""
        return {
            "symbol": self.symbol,
            "momentum": self.momentum,
            "volatility": self.volatility,
            "entropy": self.entropy,
            "hurst": self.hurst,
            "efficiency": self.efficiency,
        }

    @classmethod
    def from_payload(cls, payload: Payload) -> Features:
        """Return the features that `to_payload` wrote."""
        return cls(
            symbol=str(payload["symbol"]),
            momentum=optional_number(payload["momentum"]),
            volatility=number(payload["volatility"]),
            entropy=optional_number(payload["entropy"]),
            hurst=optional_number(payload["hurst"]),
            efficiency=optional_number(payload["efficiency"]),
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one veto found for one symbol.

    Attributes
    ----------
    value : float or None
        What was compared, in the unit of the limit; None if the feature cannot be computed, which
        counts as the worst value.
    limit : float or None
        The limit that was applied in the final round; None if the veto was lifted.
    """

    symbol: str
    rule: str
    value: float | None
    limit: float | None
    passed: bool

    def to_payload(self) -> Payload:
        """Return the verdict as recorded."""
        return {
            "symbol": self.symbol,
            "rule": self.rule,
            "value": self.value,
            "limit": self.limit,
            "passed": self.passed,
        }

    @classmethod
    def from_payload(cls, payload: Payload) -> Verdict:
        """Return the verdict that `to_payload` wrote."""
        return cls(
            symbol=str(payload["symbol"]),
            rule=str(payload["rule"]),
            value=optional_number(payload["value"]),
            limit=optional_number(payload["limit"]),
            passed=payload["passed"] is True,
        )


@dataclass(frozen=True, slots=True)
class Score:
    """Score of one survivor, within (0, 1], and its rank, counted from 1."""

    symbol: str
    score: float
    rank: int

    def to_payload(self) -> Payload:
        """Return the score as recorded."""
        return {"symbol": self.symbol, "score": self.score, "rank": self.rank}

    @classmethod
    def from_payload(cls, payload: Payload) -> Score:
        """Return the score that `to_payload` wrote."""
        return cls(
            symbol=str(payload["symbol"]),
            score=number(payload["score"]),
            rank=int(number(payload["rank"])),
        )


_NO_RETURNS = Returns(frozen_dates([]), (), frozen_array(np.zeros((0, 0))))


@dataclass(frozen=True, slots=True)
class Context:
    """The state between two stages.

    Attributes
    ----------
    panel : Panel
        Training rows only.
    usable : tuple of str
        Symbols that the health check passed, in any order.
    params : SelectionParams
        Limits, weights and counts.
    periods_per_year : int
        Rows of a year, for annualising.
    universe : tuple of str
        Set by `universe`: symbols that features are computed for, ascending.
    returns : Returns
        Set by `universe`: simple returns of the universe.
    features : tuple of Features
        Set by `features`: one per symbol of the universe.
    verdicts : tuple of Verdict
        Set by `vetoes`: by symbol, then in the order of the rules.
    relaxed : int
        Set by `vetoes`: round of relaxation that was applied, 0 if none.
    survivors : tuple of str
        Set by `vetoes`: symbols that passed every veto, ascending.
    scores : tuple of Score
        Set by `scoring`: one per survivor, ascending by symbol.
    clusters : mapping of int to tuple of str
        Set by `clusters`: the survivors, each in one cluster; numbered from 1.
    clusters_sha256 : str
        Set by `clusters`: digest of them.
    selected : tuple of str
        Set by `synthesis`: ascending.
    top : tuple of Top
        Set by `synthesis`: how many of each cluster, empty for a fixed number.
    """

    panel: Panel
    usable: tuple[str, ...]
    params: SelectionParams
    periods_per_year: int
    universe: tuple[str, ...] = ()
    returns: Returns = _NO_RETURNS
    features: tuple[Features, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    relaxed: int = 0
    survivors: tuple[str, ...] = ()
    scores: tuple[Score, ...] = ()
    clusters: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    clusters_sha256: str = ""
    selected: tuple[str, ...] = ()
    top: tuple[Top, ...] = ()


def optional_number(value: Json) -> float | None:
    """Return a JSON number as float, and null as None."""
    return None if value is None else number(value)


def number(value: Json) -> float:
    """Return a JSON number as float; 1.0 comes back from a record as 1."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        msg = f"expected a number, found {value!r}"
        raise TypeError(msg)
    return float(value)

"""Vetoes: each rule, their record, and the law of relaxation."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import SelectionParams
from pipeline.predictability import null_distribution
from pipeline.selection.context import Context, Features, Verdict
from pipeline.selection.vetoes import ROUNDS, RULES, ZERO_VARIANCE_LIMIT, judge, vetoes
from pipeline.values import Panel, Returns, frozen_array, frozen_dates

if TYPE_CHECKING:
    from pipeline.predictability import Statistic

ROWS = 120
NAMES = tuple(rule.name for rule in RULES)
STRICT = SelectionParams(
    entropy_null_percentile_max=0.6,
    efficiency_null_percentile_min=0.3,
    hurst_null_half_width=0.2,
    volatility_max=0.5,
    minimum_selected=1,
)

percentiles = st.none() | st.floats(0.0, 1.0)
values = st.tuples(
    st.just(0.01),
    percentiles,
    percentiles,
    st.none() | st.floats(0.0, 0.5),
    st.floats(0.0, 9.0),
)
params = st.builds(
    SelectionParams,
    entropy_null_percentile_max=st.floats(0.0, 1.0),
    efficiency_null_percentile_min=st.floats(0.0, 1.0),
    hurst_null_half_width=st.floats(0.0, 0.5),
    volatility_max=st.floats(0.1, 9.0),
)


def quantile(statistic: Statistic, share: float) -> float:
    """Return the raw value at a share of the null, so that tests can speak of percentiles."""
    order = 3 if statistic == "permutation_entropy" else None
    null = null_distribution(statistic, ROWS, order)
    return float(np.quantile(null, share))


def symbol(name: str, **changed: float | None) -> Features:
    """Return a symbol that passes `STRICT`, with changed features."""
    sound = Features(
        symbol=name,
        momentum=0.1,
        volatility=0.2,
        entropy=quantile("permutation_entropy", 0.1),
        hurst=quantile("hurst_exponent", 0.95),
        efficiency=quantile("efficiency_ratio", 0.9),
    )
    return replace(sound, **changed)  # type: ignore[arg-type]


def context(
    *features: Features, params: SelectionParams = STRICT, others: tuple[str, ...] = ()
) -> Context:
    """Return a context after stage 2 with the given features and 120 rows of returns."""
    names = tuple(sorted(one.symbol for one in features))
    dates = frozen_dates(np.datetime64("2020-01-01") + np.arange(ROWS))
    every = sorted((*names, *others))
    panel = Panel.of(dates, every, np.ones((ROWS, len(every))))
    returns = Returns(dates, names, frozen_array(np.zeros((ROWS, len(names)))))
    plain = Context(panel, names, params, 252)
    return replace(plain, universe=names, returns=returns, features=features)


def failed(verdicts: tuple[Verdict, ...]) -> set[tuple[str, str]]:
    """Return symbol and rule of every veto."""
    return {(verdict.symbol, verdict.rule) for verdict in verdicts if not verdict.passed}


@pytest.mark.parametrize(
    ("rule", "changed"),
    [
        ("zero_variance", {"volatility": 0.0}),
        ("zero_variance", {"volatility": 1e-9}),
        ("entropy_null_percentile", {"entropy": 1.0}),
        ("efficiency_null_percentile", {"efficiency": 0.0}),
        ("hurst_null_distance", {"hurst": 0.5}),
        ("volatility", {"volatility": 0.51}),
    ],
)
def test_each_rule_vetoes_what_it_says(rule: str, changed: dict[str, float]) -> None:
    """One feature out of bounds, one veto, the sound symbol survives."""
    found = vetoes(context(symbol("A"), symbol("B", **changed)))
    assert failed(found.verdicts) == {("B", rule)}
    assert found.survivors == ("A",)
    assert found.relaxed == 0


def test_values_on_a_limit_pass_except_a_variance_of_nothing() -> None:
    """Limits are the last value allowed; the zero-variance limit is the last one vetoed."""
    verdicts = judge("A", (ZERO_VARIANCE_LIMIT, 0.6, 0.3, 0.2, 0.5), STRICT, 0)
    assert [verdict.passed for verdict in verdicts] == [False, True, True, True, True]


@pytest.mark.parametrize("side", [0.05, 0.95])
def test_hurst_passes_on_both_sides_of_noise(side: float) -> None:
    """Reverting is as predictable as persistent: the distance from the median counts."""
    found = vetoes(context(symbol("A", hurst=quantile("hurst_exponent", side))))
    assert not failed(found.verdicts)


def test_every_verdict_is_recorded_with_value_and_limit() -> None:
    """Six rules for every healthy symbol, the passed ones too, by symbol and rule."""
    found = vetoes(context(symbol("A"), symbol("B", volatility=0.6))).verdicts
    assert [(v.symbol, v.rule) for v in found] == [
        (name, rule) for name in "AB" for rule in ("health", *NAMES)
    ]
    assert found[-1] == Verdict("B", "volatility", 0.6, 0.5, passed=False)


def test_unhealthy_symbols_have_one_verdict() -> None:
    """A symbol of the panel that is not usable is accounted for, and looked at no further."""
    found = vetoes(context(symbol("B"), others=("A", "C"))).verdicts
    unhealthy = [verdict for verdict in found if verdict.symbol != "B"]
    assert unhealthy == [Verdict(name, "health", 0.0, 1.0, passed=False) for name in "AC"]


def test_values_are_percentiles_of_noise() -> None:
    """The median of noise is recorded as 0.5, whatever its raw value."""
    noisy = symbol(
        "A",
        entropy=quantile("permutation_entropy", 0.5),
        efficiency=quantile("efficiency_ratio", 0.5),
        hurst=quantile("hurst_exponent", 0.5),
    )
    found = {verdict.rule: verdict.value for verdict in vetoes(context(noisy)).verdicts}
    assert found["entropy_null_percentile"] == pytest.approx(0.5, abs=0.02)
    assert found["efficiency_null_percentile"] == pytest.approx(0.5, abs=0.02)
    assert found["hurst_null_distance"] == pytest.approx(0.0, abs=0.02)


def test_feature_that_cannot_be_computed_counts_as_the_worst() -> None:
    """None never passes a limit that can veto, and always passes one that cannot."""
    unknown = symbol("A", entropy=None, hurst=None, efficiency=None)
    rules = {"entropy_null_percentile", "efficiency_null_percentile", "hurst_null_distance"}
    strict = vetoes(context(unknown, symbol("B")))
    assert failed(strict.verdicts) == {("A", rule) for rule in rules}
    harmless = SelectionParams(
        entropy_null_percentile_max=1.0,
        efficiency_null_percentile_min=0.0,
        hurst_null_half_width=0.0,
    )
    found = vetoes(context(unknown, params=harmless))
    assert not failed(found.verdicts)
    assert {v.value for v in found.verdicts if v.rule in rules} == {None}


@pytest.mark.parametrize(
    ("entropy", "volatility", "relaxed", "limits"),
    [
        (0.5, 0.2, 0, (0.6, 0.5)),
        (0.7, 0.2, 1, (0.8, 0.5)),
        (0.9, 0.2, 2, (None, 0.5)),
        (0.5, 9.0, 3, (None, None)),
    ],
)
def test_rounds_are_taken_one_after_the_other(
    entropy: float, volatility: float, relaxed: int, limits: tuple[float | None, float | None]
) -> None:
    """Halfway, then lifted, then volatility too; the limits applied are the ones recorded."""
    raw = quantile("permutation_entropy", entropy)
    found = vetoes(context(symbol("A", entropy=raw, volatility=volatility)))
    applied = {verdict.rule: verdict.limit for verdict in found.verdicts}
    assert found.relaxed == relaxed
    assert found.survivors == ("A",)
    assert (applied["entropy_null_percentile"], applied["volatility"]) == limits


def test_hard_vetoes_are_never_relaxed() -> None:
    """Nothing makes a flat or an unhealthy symbol eligible."""
    params = STRICT.model_copy(update={"minimum_selected": 3})
    found = vetoes(context(symbol("A", volatility=0.0), symbol("B"), params=params, others=("C",)))
    assert found.survivors == ("B",)


def test_relaxing_stops_where_it_cannot_help() -> None:
    """One symbol passes the hard rules and all others: no round would add another."""
    params = STRICT.model_copy(update={"minimum_selected": 3})
    found = vetoes(context(symbol("A", volatility=0.0), symbol("B"), params=params))
    assert found.relaxed == 0


def test_nothing_to_veto_gives_no_survivor() -> None:
    """An empty universe relaxes nothing."""
    found = vetoes(context(others=("A",)))
    assert (found.survivors, found.relaxed) == ((), 0)


@pytest.mark.property
@given(values, params)
def test_vetoes_of_a_round_are_a_subset_of_the_round_before(
    measured: tuple[float | None, ...], limits: SelectionParams
) -> None:
    """Relaxing never adds a veto, and the last round has none of the soft ones."""
    rounds = [failed(judge("A", measured, limits, relaxed)) for relaxed in range(ROUNDS)]
    for before, after in itertools.pairwise(rounds):
        assert after <= before
    assert not rounds[-1]


@pytest.mark.property
@given(st.sets(st.sampled_from("ABCDEFG"), min_size=1), st.integers(1, 8), st.data())
def test_relaxation_reaches_the_minimum_whenever_it_can(
    names: set[str], minimum: int, data: st.DataObject
) -> None:
    """At least `minimum_selected` survive, or everything that passes the hard rules."""
    drawn = [
        symbol(
            name,
            volatility=data.draw(st.sampled_from([0.0, 0.2, 0.9])),
            entropy=data.draw(st.sampled_from([None, 0.9, 1.0])),
        )
        for name in sorted(names)
    ]
    limits = STRICT.model_copy(update={"minimum_selected": minimum})
    found = vetoes(context(*drawn, params=limits))
    moving = sum(one.volatility > 0.0 for one in drawn)
    assert len(found.survivors) >= min(minimum, moving)
    assert set(found.survivors) <= {one.symbol for one in drawn if one.volatility > 0.0}

"""The stage `detect`: market returns in, one label with everything behind it out.

Each component is turned into a percentile of what independent Gaussian noise gives, each
percentile into evidence around 0.5, and the score is their weighted mean. Evidence is
0.5 + 0.5 (2p - 1)^3: flat in the middle and steep at the ends, so that noise stays `normal` (five
times in six for a single symbol, nine in ten for many) and only what noise hardly ever does moves
the score.

A component that is not accepted gives its weight to the others, in proportion. The hidden states
are accepted only if they say that the market is agitated, and then count in full: they can raise
the score, never lower it.

Invariants:
    1. The score is within [0, 1]; the weights of the accepted components sum to 1.
    2. Volatility and turbulence both above all of noise: the score is at least 0.92, whatever the
       entropy and the hidden states say.
    3. Scaling all returns by a power of two, or permuting the columns with their symbols, changes
       no bit of the result.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from pipeline.errors import DataError
from pipeline.predictability import null_percentile, percentile_of, permutation_entropy
from pipeline.regime.features import (
    baskets,
    market_proxy,
    turbulence,
    turbulence_null,
    volatility_ratio,
    volatility_ratio_null,
)
from pipeline.regime.hidden_states import ROWS_MIN, fit_two_states
from pipeline.regime.market_state import Component, Regime
from pipeline.values import iso

if TYPE_CHECKING:
    from pipeline.config import RegimeName, RegimeParams
    from pipeline.regime.hidden_states import TwoStateModel
    from pipeline.values import FloatArray, Returns

WEIGHTS = {
    "volatility_ratio": 0.42,
    "turbulence": 0.27,
    "hidden_states": 0.25,
    "permutation_entropy": 0.06,
}
"""Weight of each component while all are accepted; sums to 1."""

UNDETERMINED_SCORE = 0.5
"""Score when the volatility ratio, which carries the label, could not be measured."""


class _Measured(NamedTuple):
    """A component before the weights are shared out; `evidence` is None if not accepted."""

    name: str
    value: float | None
    null_percentile: float | None
    evidence: float | None
    note: str


def detect(returns: Returns, params: RegimeParams, seed: int) -> Regime:
    """Return the market state on the last date of `returns`.

    Parameters
    ----------
    returns : Returns
        Simple returns of all usable symbols up to the decision date; the market is their
        equal-weighted mean. Columns are taken in ascending order of their symbols, which decides
        who shares a basket where there are more than 10 symbols.
    params : RegimeParams
        Rows, limits and thresholds.
    seed : int
        The run's seed. Nothing here draws from it; it is handed to hmmlearn.

    Returns
    -------
    Regime
        With fewer rows than the components need, or a baseline that did not move, the regime is
        `normal` with score 0.5, and the notes say so.

    Raises
    ------
    DataError
        If there is no symbol or no row at all.
    """
    if not returns.values.size:
        raise DataError(
            f"expected returns to detect a regime from, found shape {returns.values.shape}",
            where="detect",
            why="the market is the mean of the usable symbols, and there is none",
            fix="check the health report of this window: no symbol is usable",
        )
    measured = _measure(returns.columns(returns.symbols).values, params, seed)
    components, score = _combine(measured)
    return Regime(
        as_of=iso(returns.dates[-1]),
        regime=label(score, params),
        score=score,
        observations=len(returns.values),
        components=components,
    )


def rows_needed(params: RegimeParams) -> int:
    """Return the rows below which the regime is undetermined."""
    return max(params.recent_days + params.baseline_days, params.entropy_days)


def label(score: float, params: RegimeParams) -> RegimeName:
    """Return the regime of a score: limits themselves belong to the calmer side."""
    if score > params.crisis_above:
        return "crisis"
    if score > params.turbulent_above:
        return "turbulent"
    return "quiet" if score < params.quiet_below else "normal"


def evidence(percentile: float) -> float:
    """Return what a null percentile adds to the score: 0.5 + 0.5 (2p - 1)^3, within [0, 1]."""
    distance = 2.0 * percentile - 1.0
    return 0.5 + 0.5 * distance * distance * distance


def _measure(values: FloatArray, params: RegimeParams, seed: int) -> tuple[_Measured, ...]:
    """Return the components in the order of `WEIGHTS`."""
    needed = rows_needed(params)
    if len(values) < needed:
        note = f"{len(values)} rows, {needed} needed"
        return tuple(_Measured(name, None, None, None, note) for name in WEIGHTS)
    market = market_proxy(values)
    return (
        _volatility(market, params),
        _turbulence(values, params),
        _hidden_states(market, params, seed),
        _entropy(market, params),
    )


def _volatility(market: FloatArray, params: RegimeParams) -> _Measured:
    recent, baseline = params.recent_days, params.baseline_days
    value = float(volatility_ratio(market[-(recent + baseline) :, None], recent)[0])
    if math.isnan(value):
        note = f"the market did not move in the {baseline} baseline rows"
        return _Measured("volatility_ratio", None, None, None, note)
    percentile = percentile_of(value, volatility_ratio_null(recent, baseline))
    note = f"volatility of the last {recent} rows over the {baseline} before"
    return _Measured("volatility_ratio", value, percentile, evidence(percentile), note)


def _turbulence(values: FloatArray, params: RegimeParams) -> _Measured:
    recent, baseline = params.recent_days, params.baseline_days
    columns = baskets(values[-(recent + baseline) :], baseline)
    value = turbulence(columns, recent)
    if math.isnan(value):
        note = "the baseline's covariance is singular: a column is constant or follows from others"
        return _Measured("turbulence", None, None, None, note)
    percentile = percentile_of(value, turbulence_null(recent, baseline, columns.shape[1]))
    note = f"squared Mahalanobis distance per column, {columns.shape[1]} columns"
    return _Measured("turbulence", value, percentile, evidence(percentile), note)


def _entropy(market: FloatArray, params: RegimeParams) -> _Measured:
    """Low entropy is structure, so its evidence is that of the complementary percentile."""
    rows, order = params.entropy_days, params.entropy_order
    value = float(permutation_entropy(market[-rows:, None], order)[0])
    if math.isnan(value):
        note = f"{rows} rows hold no pattern of order {order}"
        return _Measured("permutation_entropy", None, None, None, note)
    percentile = null_percentile("permutation_entropy", value, rows, order)
    note = f"order {order}, last {rows} rows; low entropy counts towards turbulence"
    return _Measured("permutation_entropy", value, percentile, evidence(1.0 - percentile), note)


def _hidden_states(market: FloatArray, params: RegimeParams, seed: int) -> _Measured:
    if len(market) < ROWS_MIN:
        note = f"{len(market)} rows, {ROWS_MIN} needed"
        return _Measured("hidden_states", None, None, None, note)
    if (market == market[0]).all():
        return _Measured("hidden_states", None, None, None, "the market did not move")
    model = fit_two_states(market, seed)
    refusal = _refusal(model, params)
    fitted = (
        f"ratio {model.ratio:.3f}, BIC gain {model.bic_gain:.2f}, "
        f"{'converged' if model.converged else 'not converged'} in {model.iterations} steps"
    )
    probability = model.high_probability
    if refusal:
        return _Measured("hidden_states", probability, None, None, f"{refusal}; {fitted}")
    return _Measured("hidden_states", probability, None, 1.0, f"agitated; {fitted}")


def _refusal(model: TwoStateModel, params: RegimeParams) -> str:
    """Return why the model does not count; empty if it does."""
    if model.ratio < params.hmm_ratio_min:
        return f"the states are closer than {params.hmm_ratio_min:g}"
    if model.bic_gain <= 0.0:
        return "one state explains the returns as well"
    if model.high_probability < params.hmm_probability_min:
        return f"the agitated state is less likely than {params.hmm_probability_min:g}"
    return ""


def _combine(measured: tuple[_Measured, ...]) -> tuple[tuple[Component, ...], float]:
    """Share out the weights and return the components with the score."""
    counted = {one.name: one.evidence for one in measured if one.evidence is not None}
    determined = "volatility_ratio" in counted
    total = math.fsum(WEIGHTS[name] for name in counted) if determined else math.inf
    weights = {name: WEIGHTS[name] / total if name in counted else 0.0 for name in WEIGHTS}
    components = tuple(
        Component(
            name=one.name,
            value=one.value,
            null_percentile=one.null_percentile,
            weight=weights[one.name],
            accepted=determined and one.name in counted,
            note=one.note,
        )
        for one in measured
    )
    if not determined:
        return components, UNDETERMINED_SCORE
    score = math.fsum(weights[name] * counted[name] for name in counted)
    return components, min(max(score, 0.0), 1.0)

"""Two hidden states, calm and agitated, and the probability that the market is agitated now.

A hidden Markov model always finds two states, also in noise, so a fit is only believed if the
states differ enough and the BIC prefers two over one. The probability is filtered: it uses each
day's past, never its future.

hmmlearn fits; everything after it is ours, in plain Python and in a fixed order. The four fitted
parameters are rounded to six significant digits before they are used: the fit stops at a tolerance
far above that, and what other processors compute differently lies far below it.

The fit pins both means at 0 by a prior of overwhelming weight. Leaving the means out of `params`
would be the natural way, but hmmlearn 0.3.3 then never counts the states' occupation and returns
variances near 1e7.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.values import FloatArray

ROWS_MIN = 60
"""Fewer rows and no model is fitted: 5 parameters need more than a quarter."""

ITERATIONS_MAX = 40
"""Steps of expectation-maximisation per start."""

TOLERANCE = 1e-2
"""Gain in log-likelihood below which a fit has converged; the BIC penalty is about 16."""

STARTS = (0.10, 0.35)
"""Shares of the largest moves that the starts take for the agitated state, in this order."""

STAY_PROBABILITY = 0.95
"""Probability of staying in a state, at the start of the fit."""

STAY_MAX = 0.999999
"""Most that a fitted probability of staying may round to: a state that is never left would make
an extreme move impossible instead of unlikely."""

SIGNIFICANT_DIGITS = 6
"""Digits kept of each fitted parameter."""

PARAMETERS_ONE, PARAMETERS_TWO = 1, 4
"""Free parameters: one variance; two variances and two transition probabilities."""

MEANS_WEIGHT = 1e12
"""Weight of the prior that pins the means at 0."""

VARIANCE_PRIOR = 1e-2
"""Added to each state's sum of squares (of a series with variance 1), so that none reaches 0."""

TRANSITION_PRIOR = 1.001
"""Dirichlet prior of the transitions: an unseen transition keeps a positive probability."""


@dataclass(frozen=True, slots=True)
class TwoStateModel:
    """A fitted two-state Gaussian model with means 0, the calm state first.

    Attributes
    ----------
    variances : tuple of float
        Of the calm and the agitated state, ascending, in units of the variance of the series.
    stay : tuple of float
        Probability of staying in each state.
    high_probability : float
        Filtered probability of the agitated state on the last row.
    ratio : float
        Ratio of the two standard deviations, at least 1.
    bic_gain : float
        BIC of one state minus BIC of two; positive when two states are worth their parameters.
    converged : bool
        Whether the winning fit gained less than `TOLERANCE` in its last step.
    iterations : int
        Steps of the winning fit.
    """

    variances: tuple[float, float]
    stay: tuple[float, float]
    high_probability: float
    ratio: float
    bic_gain: float
    converged: bool
    iterations: int


def fit_two_states(returns: FloatArray, seed: int) -> TwoStateModel:
    """Fit the model to one series, centred by its mean, from each start; keep the likeliest.

    Parameters
    ----------
    returns : ndarray of shape (n_rows,)
        At least `ROWS_MIN` rows with positive variance.
    seed : int
        Handed to hmmlearn, which has nothing to draw: every start is set from the data.

    Returns
    -------
    TwoStateModel
        Ties between starts go to the earlier one.
    """
    series = _standardised(returns)
    fits = [_fit(series, share, seed) for share in STARTS]
    models = [(_forward(series, fit), fit) for fit in fits]
    (likelihood, probability), best = max(models, key=lambda model: model[0][0])
    penalty = (PARAMETERS_TWO - PARAMETERS_ONE) * math.log(len(series))
    gain = 2.0 * (likelihood - _one_state_likelihood(series)) - penalty
    low, high = best.variances
    ratio = math.sqrt(high / low)
    return TwoStateModel(
        best.variances, best.stay, probability, ratio, gain, best.converged, best.iterations
    )


@dataclass(frozen=True, slots=True)
class _Fit:
    variances: tuple[float, float]
    stay: tuple[float, float]
    converged: bool
    iterations: int


class _Monitor:
    """Decides when hmmlearn stops; unlike its own monitor it neither logs nor prints."""

    def __init__(self) -> None:
        self.history: list[float] = []

    def _reset(self) -> None:
        self.history = []

    def report(self, log_likelihood: float) -> None:
        self.history.append(float(log_likelihood))

    @property
    def converged(self) -> bool:
        return len(self.history) > 1 and self.history[-1] - self.history[-2] < TOLERANCE


_SMALLEST = 1e-140
_SHIFT = 800


def _standardised(returns: FloatArray) -> list[float]:
    """Return the series with mean 0 and mean square 1."""
    values = np.ascontiguousarray(returns, dtype=np.float64).tolist()
    mean = math.fsum(values) / len(values)
    centred = [value - mean for value in values]
    largest = max(map(abs, centred))
    if 0.0 < largest < _SMALLEST:
        # Their squares would vanish; a power of two changes no digit.
        centred = [math.ldexp(value, _SHIFT) for value in centred]
    scale = math.sqrt(math.fsum(value * value for value in centred) / len(centred))
    if scale == 0.0:
        msg = "a series without variation has no two states"
        raise ValueError(msg)
    return [value / scale for value in centred]


def _fit(series: Sequence[float], share: float, seed: int) -> _Fit:
    """Fit from the start that takes `share` of the largest moves for the agitated state."""
    from hmmlearn.hmm import GaussianHMM  # noqa: PLC0415 - costs a second to import

    model = GaussianHMM(
        n_components=2,
        covariance_type="spherical",
        means_prior=0.0,
        means_weight=MEANS_WEIGHT,
        covars_prior=VARIANCE_PRIOR,
        transmat_prior=TRANSITION_PRIOR,
        params="tmc",
        init_params="",
        n_iter=ITERATIONS_MAX,
        random_state=seed,
        implementation="scaling",
    )
    monitor = _Monitor()
    model.monitor_ = monitor
    model.startprob_ = np.array([0.5, 0.5])
    leave = 1.0 - STAY_PROBABILITY
    model.transmat_ = np.array([[STAY_PROBABILITY, leave], [leave, STAY_PROBABILITY]])
    model.means_ = np.zeros((2, 1))
    model.covars_ = np.array(_start_variances(series, share))
    model.fit(np.array(series)[:, None])
    variances = [_rounded(float(value)) for value in model.covars_.ravel()]
    stays = [min(_rounded(float(model.transmat_[i, i])), STAY_MAX) for i in (0, 1)]
    calm, agitated = (0, 1) if variances[0] <= variances[1] else (1, 0)
    return _Fit(
        (variances[calm], variances[agitated]),
        (stays[calm], stays[agitated]),
        monitor.converged,
        len(monitor.history),
    )


def _start_variances(series: Sequence[float], share: float) -> tuple[float, float]:
    """Return the mean squares of the smaller and of the larger moves."""
    squares = sorted(value * value for value in series)
    split = len(squares) - max(2, round(share * len(squares)))
    low = math.fsum(squares[:split]) / split
    high = math.fsum(squares[split:]) / (len(squares) - split)
    return max(low, VARIANCE_PRIOR), max(high, 2.0 * VARIANCE_PRIOR)


def _rounded(value: float) -> float:
    return float(f"{value:.{SIGNIFICANT_DIGITS - 1}e}")


def _forward(series: Sequence[float], fit: _Fit) -> tuple[float, float]:
    """Return the log-likelihood and the filtered probability of the agitated state at the end.

    The forward recursion, scaled each row; the larger exponent is taken out before `exp`, so an
    extreme move cannot make both densities vanish.
    """
    (low, high), (stay_low, stay_high) = fit.variances, fit.stay
    offset_low, offset_high = (-0.5 * math.log(2.0 * math.pi * v) for v in (low, high))
    prior_high, likelihood, probability = 0.5, 0.0, 0.5
    for value in series:
        square = value * value
        log_low = offset_low - square / (2.0 * low)
        log_high = offset_high - square / (2.0 * high)
        top = max(log_low, log_high)
        joint_low = (1.0 - prior_high) * math.exp(log_low - top)
        joint_high = prior_high * math.exp(log_high - top)
        total = joint_low + joint_high
        likelihood += top + math.log(total)
        probability = joint_high / total
        prior_high = probability * stay_high + (1.0 - probability) * (1.0 - stay_low)
    return likelihood, probability


def _one_state_likelihood(series: Sequence[float]) -> float:
    """Return the log-likelihood of one Gaussian with mean 0 and its best variance."""
    rows = len(series)
    variance = math.fsum(value * value for value in series) / rows
    return -0.5 * rows * (math.log(2.0 * math.pi * variance) + 1.0)

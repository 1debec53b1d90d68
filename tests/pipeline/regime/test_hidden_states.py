"""The two-state model: what it finds in known series, and that our recursion is a correct one."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.regime.hidden_states import (
    ITERATIONS_MAX,
    STARTS,
    _Fit,
    _fit,
    _forward,
    _one_state_likelihood,
    _standardised,
    fit_two_states,
)

if TYPE_CHECKING:
    from pipeline.values import FloatArray


def noise(seed: int, rows: int = 252) -> FloatArray:
    """Return Gaussian returns of 1 % a day."""
    return 0.01 * np.random.Generator(np.random.PCG64(seed)).standard_normal(rows)


def burst(seed: int, factor: float = 3.0, rows: int = 30) -> FloatArray:
    """Return noise whose last rows are larger by a factor."""
    values = noise(seed)
    values[-rows:] *= factor
    return values


def enumerated(series: list[float], fit: _Fit) -> tuple[float, float]:
    """Sum over all paths of states: the definition, exponential in the rows."""
    stay = fit.stay
    matrix = ((stay[0], 1.0 - stay[0]), (1.0 - stay[1], stay[1]))
    total = high = 0.0
    for path in itertools.product((0, 1), repeat=len(series)):
        joint = 0.5
        for t, (state, value) in enumerate(zip(path, series, strict=True)):
            variance = fit.variances[state]
            joint *= matrix[path[t - 1]][state] if t else 1.0
            joint *= math.exp(-value * value / (2 * variance)) / math.sqrt(2 * math.pi * variance)
        total += joint
        high += joint * path[-1]
    return math.log(total), high / total


@pytest.mark.property
@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.floats(-3.0, 3.0), min_size=1, max_size=7),
    st.floats(0.05, 1.0),
    st.floats(1.0, 9.0),
    st.floats(0.05, 0.95),
    st.floats(0.05, 0.95),
)
def test_forward_recursion_equals_the_sum_over_all_paths(
    series: list[float], low: float, high: float, stay_low: float, stay_high: float
) -> None:
    """Likelihood and filtered probability equal their definition."""
    fit = _Fit((low, high), (stay_low, stay_high), converged=True, iterations=1)
    assert _forward(series, fit) == pytest.approx(enumerated(series, fit), rel=1e-9, abs=1e-12)


def test_forward_recursion_survives_a_move_that_no_state_expects() -> None:
    """200 standard deviations: both densities underflow, the recursion does not."""
    fit = _Fit((0.5, 2.0), (0.9, 0.9), converged=True, iterations=1)
    likelihood, probability = _forward([0.1, 200.0], fit)
    assert math.isfinite(likelihood)
    assert probability == pytest.approx(1.0)


def test_probability_is_filtered_not_smoothed() -> None:
    """The probability on a day is that of a recursion that ends on this day."""
    fit = _Fit((0.5, 4.0), (0.95, 0.9), converged=True, iterations=1)
    series = _standardised(burst(2))
    assert _forward(series[:200], fit) == _forward([*series[:200]], fit)
    assert _forward(series[:200], fit)[1] < 0.5 < _forward(series, fit)[1]


def test_likelihood_equals_hmmlearn() -> None:
    """The same parameters have the same likelihood in hmmlearn's own forward pass."""
    from hmmlearn.hmm import GaussianHMM  # noqa: PLC0415 - costs a second to import

    series = _standardised(burst(3))
    model = GaussianHMM(2, "spherical", init_params="")
    model.startprob_, model.means_ = np.array([0.5, 0.5]), np.zeros((2, 1))
    model.transmat_ = np.array([[0.95, 0.05], [0.1, 0.9]])
    model.covars_ = np.array([0.5, 4.0])
    model.n_features = 1
    fit = _Fit((0.5, 4.0), (0.95, 0.9), converged=True, iterations=1)
    assert _forward(series, fit)[0] == pytest.approx(model.score(np.array(series)[:, None]))


def test_one_state_likelihood_equals_the_gaussian_density() -> None:
    """The maximised likelihood is the sum of log densities at the best variance."""
    series = [0.3, -0.6, 1.1]
    variance = sum(value * value for value in series) / 3
    direct = sum(-0.5 * (math.log(2 * math.pi * variance) + v * v / variance) for v in series)
    assert _one_state_likelihood(series) == pytest.approx(direct)


@pytest.mark.parametrize("seed", range(8))
def test_noise_is_refused(seed: int) -> None:
    """A model of one state explains noise better: the BIC gain is negative."""
    assert fit_two_states(noise(seed), 0).bic_gain < 0.0


@pytest.mark.parametrize("seed", range(8))
def test_burst_is_found(seed: int) -> None:
    """Thirty rows of threefold volatility at the end: two states, their ratio near 3."""
    model = fit_two_states(burst(seed), 0)
    assert model.bic_gain > 0.0
    assert model.ratio == pytest.approx(3.0, abs=0.8)
    assert model.converged
    assert model.iterations <= ITERATIONS_MAX


@pytest.mark.parametrize("seed", range(6))
def test_gain_is_the_difference_of_the_two_bics(seed: int) -> None:
    """BIC = k ln n - 2 ln L with one parameter against four, at the parameters reported."""
    series = _standardised(burst(seed, 2.0))
    model = fit_two_states(burst(seed, 2.0), 0)
    fit = _Fit(model.variances, model.stay, converged=True, iterations=1)
    bic_one = math.log(252) - 2.0 * _one_state_likelihood(series)
    bic_two = 4.0 * math.log(252) - 2.0 * _forward(series, fit)[0]
    assert model.bic_gain == pytest.approx(bic_one - bic_two)


def test_the_likeliest_start_wins() -> None:
    """No single start reaches all of the best fits; the model is the best of both."""
    winners = set()
    for seed in range(12):
        values = burst(seed, 2.5, 12)
        series = _standardised(values)
        fits = [_fit(series, share, 0) for share in STARTS]
        likelihoods = [_forward(series, fit)[0] for fit in fits]
        best = fits[likelihoods.index(max(likelihoods))]
        model = fit_two_states(values, 0)
        assert (model.variances, model.stay) == (best.variances, best.stay)
        winners.add(STARTS[fits.index(best)])
    assert len(winners) == len(STARTS) == 2


def test_most_bursts_are_agitated_now() -> None:
    """Unless its last days happen to be small, a burst is recognised while it lasts."""
    found = [fit_two_states(burst(seed), 0).high_probability for seed in range(40)]
    assert np.mean([probability > 0.7 for probability in found]) > 0.7


def test_burst_that_is_over_is_calm_now() -> None:
    """States exist, but the filtered probability of the agitated one is small."""
    values = noise(5)
    values[60:100] *= 3.0
    model = fit_two_states(values, 0)
    assert model.bic_gain > 0.0
    assert model.high_probability < 0.2


def test_one_day_crash_is_agitated() -> None:
    """Ten standard deviations on the last day need no second day to be believed."""
    values = noise(6)
    values[-1] = -0.1
    assert fit_two_states(values, 0).high_probability > 0.99


def test_states_are_ordered_by_variance() -> None:
    """The agitated state comes second, also where it came first in time."""
    for values in (burst(7), burst(7)[::-1]):
        model = fit_two_states(values, 0)
        assert model.variances[0] <= model.variances[1]
        assert model.ratio >= 1.0


def test_variances_are_those_of_the_series() -> None:
    """Left out of the fit, the means would give variances near 1e7; ours are near 1."""
    low, high = fit_two_states(burst(8), 0).variances
    assert 0.05 < low < 1.0 < high < 20.0


@pytest.mark.property
@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.integers(-20, 20), st.integers(0, 2**31 - 1))
def test_scale_and_seed_change_nothing(seed: int, exponent: int, run_seed: int) -> None:
    """A power of two as scale and any seed give the same model to the last bit."""
    values = burst(seed)
    assert fit_two_states(values * 2.0**exponent, run_seed) == fit_two_states(values, 0)


def test_parameters_have_six_significant_digits() -> None:
    """What is below is left out, so that it cannot differ between processors."""
    model = fit_two_states(burst(9), 0)
    for value in (*model.variances, *model.stay):
        assert value == float(f"{value:.5e}")


def test_a_series_with_many_zeros_has_positive_variances() -> None:
    """Days without a move cannot shrink a state to variance 0."""
    values = noise(10)
    values[::2] = 0.0
    values[20:120] = 0.0
    assert fit_two_states(values, 0).variances[0] > 0.0


def test_flat_series_is_refused() -> None:
    """Nothing moved: there is no scale to standardise by."""
    with pytest.raises(ValueError, match="without variation"):
        fit_two_states(np.zeros(100), 0)


def test_a_state_is_never_certain_to_stay() -> None:
    """In three thousand rows one state is almost never left, but it can be."""
    values = noise(11, 3000)
    values[1500:] *= 5.0
    model = fit_two_states(values, 0)
    assert min(model.stay) > 0.99
    assert max(model.stay) < 1.0


@pytest.mark.parametrize("size", [1e-300, 1e-237, 1e-150, 1e-8, 1.0])
def test_size_of_the_moves_does_not_matter(size: float) -> None:
    """Squares of tiny moves vanish in floating point; the model of the series does not."""
    series = np.zeros(60)
    series[-1] = size
    model = fit_two_states(series, 0)
    assert 0.0 < model.variances[0] <= model.variances[1] < math.inf


@pytest.mark.property
@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.floats(-1e3, 1e3) | st.sampled_from([0.0, 1.0, -1.0, 1e-9, 1e6]),
        min_size=60,
        max_size=90,
    )
)
def test_any_series_that_moves_has_a_finite_model(series: list[float]) -> None:
    """Spikes, steps, ties and zeros: probabilities stay probabilities, nothing overflows."""
    values = np.array(series)
    if np.ptp(values) == 0.0:
        return
    model = fit_two_states(values, 0)
    assert 0.0 <= model.high_probability <= 1.0
    assert all(0.0 < stay < 1.0 for stay in model.stay)
    assert 0.0 < model.variances[0] <= model.variances[1] < math.inf
    assert math.isfinite(model.bic_gain)


def test_fit_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The library warns about every step of 1e-8 downwards; the recorded note says enough."""
    for seed in range(5):
        fit_two_states(noise(seed), 0)
    assert not caplog.records

"""The statistics against hand-computed values, second implementations and published nulls."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.predictability import (
    NULL_DRAWS,
    efficiency_ratio,
    expected_log_rescaled_range,
    hurst_exponent,
    log_returns,
    null_distribution,
    null_percentile,
    percentile_of,
    permutation_entropy,
    raw_hurst_exponent,
    segment_lengths,
)

if TYPE_CHECKING:
    from pipeline.predictability import Statistic
    from pipeline.values import FloatArray

NO_DEADLINE = settings(deadline=None, max_examples=60)

series = st.lists(
    st.integers(-4, 4).map(lambda value: value / 4.0) | st.floats(-1.0, 1.0),
    min_size=12,
    max_size=60,
)


def column(values: list[float]) -> FloatArray:
    """Return one series as an array of one column."""
    return np.array(values, dtype=np.float64)[:, None]


def noise(rows: int, count: int = 2000, seed: int = 7) -> FloatArray:
    """Return independent Gaussian series."""
    return np.random.Generator(np.random.PCG64(seed)).standard_normal((rows, count))


def naive_entropy(values: list[float], order: int) -> float:
    """Sort every window (stable) and count the permutations."""
    windows = [values[i : i + order] for i in range(len(values) - order + 1)]
    counts = Counter(tuple(sorted(range(order), key=lambda i: w[i])) for w in windows)
    shares = [count / len(windows) for count in counts.values()]
    return -sum(p * math.log(p) for p in shares) / math.log(math.factorial(order))


def naive_rescaled_range(segment: list[float]) -> float:
    """Walk through one segment."""
    mean = sum(segment) / len(segment)
    deviation = math.sqrt(sum((x - mean) ** 2 for x in segment) / len(segment))
    walk, total = [], 0.0
    for value in segment:
        total += value - mean
        walk.append(total)
    return (max(walk) - min(walk)) / deviation


def naive_raw_hurst(values: list[float]) -> float:
    """Fit log R/S on log n with numpy's least squares."""
    lengths, heights = [], []
    for length in segment_lengths(len(values)):
        count = len(values) // length
        tail = values[len(values) - count * length :]
        ranges = [naive_rescaled_range(tail[i * length : (i + 1) * length]) for i in range(count)]
        lengths.append(math.log(length))
        heights.append(math.log(sum(ranges) / count))
    return float(np.polyfit(lengths, heights, 1)[0])


@pytest.mark.parametrize(("order", "bits"), [(2, 0.918), (3, 1.522)])
def test_entropy_equals_the_example_of_bandt_and_pompe(order: int, bits: float) -> None:
    """The series 4, 7, 9, 10, 6, 11, 3 has the entropies printed in the paper."""
    found = permutation_entropy(column([4, 7, 9, 10, 6, 11, 3]), order)[0]
    assert found * math.log2(math.factorial(order)) == pytest.approx(bits, abs=5e-4)


def test_entropy_of_a_rising_series_is_zero() -> None:
    """One pattern only: no disorder. A flat series counts as rising (stable ties)."""
    assert permutation_entropy(column(list(range(20))), 3)[0] == 0.0
    assert permutation_entropy(column([1.0] * 20), 3)[0] == 0.0


def test_entropy_of_equal_counts_is_one() -> None:
    """Every pattern of order 2 equally often: maximal disorder."""
    assert permutation_entropy(column([0, 1, 0, 1, 0]), 2)[0] == pytest.approx(1.0)


@pytest.mark.property
@NO_DEADLINE
@given(series, st.integers(2, 5))
def test_entropy_equals_a_sorting_implementation(values: list[float], order: int) -> None:
    """Lehmer codes and stable sorting count the same patterns, ties included."""
    found = permutation_entropy(column(values), order)[0]
    assert found == pytest.approx(naive_entropy(values, order), abs=1e-12)


@pytest.mark.property
@NO_DEADLINE
@given(series, st.integers(2, 4))
def test_entropy_sees_only_the_order_of_values(values: list[float], order: int) -> None:
    """An increasing map changes no bit, nor does a change of sign where there are no ties."""
    found = permutation_entropy(column(values), order)
    assert permutation_entropy(column([8.0 * value for value in values]), order) == found
    distinct = column(list(dict.fromkeys(values)))
    if len(distinct) >= order:
        assert permutation_entropy(-distinct, order) == permutation_entropy(distinct, order)


def test_entropy_of_too_few_rows_is_not_a_number() -> None:
    """No window, no entropy."""
    assert np.isnan(permutation_entropy(np.zeros((2, 3)), 3)).all()


@pytest.mark.parametrize(
    ("rows", "order", "low", "median", "high"),
    [(120, 5, 0.858, 0.881, 0.902), (250, 5, 0.930, 0.945, 0.957), (120, 4, 0.953, None, 0.987)],
)
def test_entropy_null_matches_the_measured_table(
    rows: int, order: int, low: float, median: float | None, high: float
) -> None:
    """Noise of 120 rows and order 5 has a median of 0.881: a raw limit of 0.95 vetoes nothing."""
    null = np.array(null_distribution("permutation_entropy", rows, order))
    assert np.quantile(null, 0.05) == pytest.approx(low, abs=4e-3)
    assert np.quantile(null, 0.95) == pytest.approx(high, abs=4e-3)
    if median is not None:
        assert np.median(null) == pytest.approx(median, abs=2e-3)


@pytest.mark.parametrize(
    ("rows", "low", "median", "high"),
    [(120, 0.45, 0.607, 0.75), (252, 0.49, 0.592, 0.69), (500, None, 0.574, None)],
)
def test_raw_hurst_null_matches_the_measured_table(
    rows: int, low: float | None, median: float, high: float | None
) -> None:
    """Uncorrected, noise looks persistent: median 0.6 with 120 rows. Tolerance 0.015."""
    found = raw_hurst_exponent(noise(rows))
    assert np.median(found) == pytest.approx(median, abs=0.015)
    if low is not None and high is not None:
        assert np.quantile(found, [0.05, 0.95]) == pytest.approx([low, high], abs=0.02)


@pytest.mark.parametrize("rows", [32, 64, 120, 252, 500])
def test_corrected_hurst_is_centred_on_noise(rows: int) -> None:
    """The Anis-Lloyd correction puts the mean of noise at 0.5, within 0.015."""
    assert hurst_exponent(noise(rows)).mean() == pytest.approx(0.5, abs=0.015)


def test_hurst_tells_persistence_from_reversion() -> None:
    """A slow moving average lies above noise, an alternating series below."""
    random = noise(300, 200)
    persistent = np.array([random[i : i + 20].sum(axis=0) for i in range(252)])
    reverting = np.diff(random[:253], axis=0)
    assert np.median(hurst_exponent(persistent)) > 0.75
    assert np.median(hurst_exponent(reverting)) < 0.25


@pytest.mark.property
@NO_DEADLINE
@given(st.integers(0, 10_000), st.integers(32, 140))
def test_hurst_equals_a_plain_implementation(seed: int, rows: int) -> None:
    """The vectorised slope equals loops and numpy's least squares."""
    values = noise(rows, 1, seed)
    assert raw_hurst_exponent(values)[0] == pytest.approx(naive_raw_hurst(values[:, 0].tolist()))


def test_expected_rescaled_range_equals_hand_computed_values() -> None:
    """E_2 = 1 (any two values), E_3 = (2 / pi) (sqrt 2 + sqrt 1/2)."""
    assert expected_log_rescaled_range(2) == pytest.approx(0.0, abs=1e-15)
    third = 2.0 / math.pi * (math.sqrt(2.0) + math.sqrt(0.5))
    assert expected_log_rescaled_range(3) == pytest.approx(math.log(third))


def test_expected_rescaled_range_equals_a_simulation() -> None:
    """The mean R/S of 8 normal values is what the formula says, within 4 standard errors."""
    draws = noise(8, 4000, 3)
    ranges = [naive_rescaled_range(draws[:, i].tolist()) for i in range(draws.shape[1])]
    error = float(np.std(ranges)) / math.sqrt(len(ranges))
    expected = math.exp(expected_log_rescaled_range(8))
    assert np.mean(ranges) == pytest.approx(expected, abs=4 * error)


def test_hurst_without_enough_movement_is_not_a_number() -> None:
    """31 rows, or a series that never moves, have no exponent."""
    assert np.isnan(hurst_exponent(noise(31, 2))).all()
    assert np.isnan(hurst_exponent(np.zeros((64, 1)))).all()


def test_hurst_leaves_out_segments_without_variation() -> None:
    """A listing pause is left out of the mean instead of dividing by zero."""
    values = noise(128, 1)
    values[:16] = 0.0
    assert np.isfinite(hurst_exponent(values)).all()


def test_segments_double_up_to_half_of_the_rows() -> None:
    """8, 16, 32, ...; the longest length fits at least twice."""
    assert segment_lengths(500) == (8, 16, 32, 64, 128)
    assert segment_lengths(15) == ()


def test_efficiency_equals_hand_computed_values() -> None:
    """|0.02 - 0.01 + 0.01| / 0.04 = 0.5; a straight line is 1; a return trip is 0."""
    found = efficiency_ratio(
        np.array([[0.02, 0.01, 0.01], [-0.01, 0.01, -0.01], [0.01, 0.01, 0.0]])
    )
    assert found == pytest.approx([0.5, 1.0, 0.0])


def test_efficiency_of_a_series_that_did_not_move_is_not_a_number() -> None:
    """0 / 0 is no efficiency; no rows, none either."""
    assert np.isnan(efficiency_ratio(np.zeros((5, 1)))).all()
    assert np.isnan(efficiency_ratio(np.zeros((0, 1)))).all()


def test_efficiency_null_has_the_expected_mean() -> None:
    """Noise of 120 rows has a mean of 0.093, so a raw limit of 0.05 vetoes a third of noise."""
    null = np.array(null_distribution("efficiency_ratio", 120))
    assert null.mean() == pytest.approx(0.093, abs=2e-3)
    assert (null < 0.05).mean() == pytest.approx(0.34, abs=0.04)


def test_log_returns_equal_numpy_up_to_the_last_bits() -> None:
    """`math.log1p` value by value, for the same bits on every processor."""
    returns = 0.02 * noise(30, 3)
    assert log_returns(returns) == pytest.approx(np.log1p(returns), rel=1e-14)
    assert log_returns(np.zeros((0, 3))).shape == (0, 3)


@pytest.mark.parametrize(
    ("statistic", "order"),
    [("permutation_entropy", 3), ("hurst_exponent", None), ("efficiency_ratio", None)],
)
def test_percentiles_of_noise_are_uniform(statistic: Statistic, order: int | None) -> None:
    """Fresh noise falls below percentile p with probability p: that is what calibrated means."""
    fresh = noise(120, 1000, 99)
    values = {
        "permutation_entropy": permutation_entropy(fresh, 3),
        "hurst_exponent": hurst_exponent(fresh),
        "efficiency_ratio": efficiency_ratio(fresh),
    }[statistic]
    found = np.array([null_percentile(statistic, value, 120, order) for value in values.tolist()])
    for probability in (0.05, 0.25, 0.5, 0.75, 0.95):
        assert (found < probability).mean() == pytest.approx(probability, abs=0.05)


def test_null_distributions_are_ascending_and_reproducible() -> None:
    """The table does not depend on what was computed before it, nor on the run's seed."""
    first = null_distribution("hurst_exponent", 64)
    null_distribution.cache_clear()
    null_distribution("efficiency_ratio", 64)
    assert null_distribution("hurst_exponent", 64) == first
    assert list(first) == sorted(first)
    assert len(first) == NULL_DRAWS


def test_percentile_counts_ties_half() -> None:
    """Below, within and above a small distribution."""
    ascending = (1.0, 2.0, 2.0, 4.0)
    found = [percentile_of(value, ascending) for value in (0.0, 1.0, 2.0, 3.0, 5.0)]
    assert found == [0.0, 0.125, 0.5, 0.75, 1.0]


@pytest.mark.property
@NO_DEADLINE
@given(st.floats(-2.0, 2.0), st.floats(-2.0, 2.0))
def test_percentile_rises_with_the_value(a: float, b: float) -> None:
    """A larger value never has a smaller percentile, and percentiles stay within [0, 1]."""
    low, high = (null_percentile("hurst_exponent", value, 64) for value in sorted((a, b)))
    assert 0.0 <= low <= high <= 1.0


def test_percentile_refuses_what_it_cannot_place() -> None:
    """NaN, a missing or foreign order, and rows without the statistic are errors."""
    with pytest.raises(ValueError, match="NaN"):
        null_percentile("hurst_exponent", math.nan, 64)
    with pytest.raises(ValueError, match="order"):
        null_percentile("permutation_entropy", 0.5, 64)
    with pytest.raises(ValueError, match="order"):
        null_percentile("efficiency_ratio", 0.5, 64, 3)
    with pytest.raises(ValueError, match="31 rows"):
        null_percentile("hurst_exponent", 0.5, 31)


def test_one_dimensional_input_is_refused() -> None:
    """A bare series could be meant as rows or as columns."""
    with pytest.raises(ValueError, match="shape"):
        permutation_entropy(np.zeros(10), 3)


@pytest.mark.property
@NO_DEADLINE
@given(st.integers(0, 1000), st.integers(1, 6), st.integers(40, 130))
def test_a_column_has_the_same_bytes_alone_and_beside_others(
    seed: int, count: int, rows: int
) -> None:
    """No statistic depends on which columns stand beside it, nor on the memory order."""
    values = noise(rows, count, seed)
    for statistic in (
        lambda x: permutation_entropy(x, 3),
        hurst_exponent,
        raw_hurst_exponent,
        efficiency_ratio,
    ):
        together = statistic(values)
        alone = np.concatenate([statistic(values[:, [i]]) for i in range(count)])
        assert together.tobytes() == alone.tobytes()
        assert statistic(np.asfortranarray(values)).tobytes() == together.tobytes()

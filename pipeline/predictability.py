"""How far a series is from noise, and how often noise gets that far.

A raw entropy of 0.88 or a raw Hurst exponent of 0.60 means nothing by itself: with 120 rows both
are what independent Gaussian noise gives. So every statistic here comes with its null distribution
for the same number of rows, and decisions use the percentile, never the raw value.

Bits: sums run through `numpy.add.accumulate`, which adds row after row whatever the shape, so a
column has the same bytes alone and beside others. Logarithms go through `math.log`, because
`numpy.log` has other last bits on processors with AVX-512. The one thing left to the processor is
the C library's `log` inside `math` and inside numpy's Gaussian generator.

Known limits
------------
The null draws come from numpy's PCG64 stream, which numpy may change between releases; the lock
file pins it. Fat tails are not part of the null: against Gaussian noise, real returns look less
efficient and more structured than they are.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from pipeline.values import FloatArray

Statistic: TypeAlias = Literal["permutation_entropy", "hurst_exponent", "efficiency_ratio"]

NULL_SEED = 20_260_101
"""Seed of every null distribution: a constant, so that two runs judge by the same table."""

NULL_DRAWS = 2_000
"""Series simulated per null distribution; a percentile of 0.01 has a standard error of 0.0022."""

SHORTEST_SEGMENT = 8
"""Rows of the shortest segment of the rescaled range; each further length is twice as long."""

HURST_ROWS_MIN = 4 * SHORTEST_SEGMENT
"""Fewer rows and the slope of the rescaled range has fewer than two points."""


def permutation_entropy(values: FloatArray, order: int) -> FloatArray:
    """Return the normalised permutation entropy of each column; 1 is maximal disorder.

    Ordinal patterns of `order` consecutive values; equal values count as rising in time (a stable
    sort). The result is a function of the pattern counts only, added in ascending order, so a
    series and its mirror image agree to the last bit.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_series)
        Finite.
    order : int
        Length of a pattern, at least 2.

    Returns
    -------
    ndarray of shape (n_series,)
        Within [0, 1]; NaN if there are fewer rows than `order`.

    References
    ----------
    Bandt and Pompe (2002), "Permutation entropy: a natural complexity measure for time series".
    """
    columns = _two_dimensional(values)
    windows = len(columns) - order + 1
    if windows < 1:
        return np.full(columns.shape[1], np.nan)
    counts = np.sort(_pattern_counts(columns, order), axis=0)
    table = np.array([0.0] + [c * math.log(c) for c in range(1, windows + 1)])
    total = _ordered_sum(table[counts])
    entropy: FloatArray = (math.log(windows) - total / windows) / math.log(math.factorial(order))
    return np.clip(entropy, 0.0, 1.0)


def _pattern_counts(columns: FloatArray, order: int) -> NDArray[np.int64]:
    """Count each ordinal pattern; shape (order!, n_series).

    The Lehmer code of a window (how many later values are smaller, per position) numbers the
    patterns of a stable sort without sorting.
    """
    windows, series = len(columns) - order + 1, columns.shape[1]
    codes = np.zeros((windows, series), dtype=np.int64)
    for i in range(order - 1):
        smaller = np.zeros((windows, series), dtype=np.int64)
        for j in range(i + 1, order):
            smaller += columns[j : j + windows] < columns[i : i + windows]
        codes += smaller * math.factorial(order - 1 - i)
    patterns = math.factorial(order)
    offset = codes + np.arange(series, dtype=np.int64) * patterns
    counted = np.bincount(offset.ravel(), minlength=patterns * series)
    return np.ascontiguousarray(counted.reshape(series, patterns).T, dtype=np.int64)


def hurst_exponent(returns: FloatArray) -> FloatArray:
    """Return the Hurst exponent of each column: above 0.5 persistent, below 0.5 reverting.

    The slope of log R/S on log n is far above 0.5 for noise in short samples, so the expected log
    R/S of noise is subtracted first: H = 0.5 + slope of (log R/S - log E_n) on log n.

    Parameters
    ----------
    returns : ndarray of shape (n_rows, n_series)
        Returns (increments, not prices), finite.

    Returns
    -------
    ndarray of shape (n_series,)
        NaN below 32 rows, and for a series that is constant in every segment of some length. Not
        clipped: noise reaches below 0 and above 1 in short samples.

    References
    ----------
    Anis and Lloyd (1976), "The expected value of the adjusted rescaled Hurst range of independent
    normal summands".
    """
    columns = _two_dimensional(returns)
    slopes = _rescaled_range_slope(columns, corrected=True)
    return slopes + 0.5


def raw_hurst_exponent(returns: FloatArray) -> FloatArray:
    """Return the uncorrected slope of log R/S on log n, for comparison with the literature.

    Shapes and NaN as in `hurst_exponent`. Independent noise of 120 rows has a median of 0.607.
    """
    return _rescaled_range_slope(_two_dimensional(returns), corrected=False)


def segment_lengths(rows: int) -> tuple[int, ...]:
    """Return the segment lengths 8, 16, 32, ... up to half of `rows`.

    >>> segment_lengths(120)
    (8, 16, 32)
    """
    lengths = []
    length = SHORTEST_SEGMENT
    while length <= rows // 2:
        lengths.append(length)
        length *= 2
    return tuple(lengths)


@lru_cache(maxsize=64)
def expected_log_rescaled_range(length: int) -> float:
    """Return the log of the expected rescaled range of `length` independent normal values.

    E_n = Gamma((n - 1) / 2) / (sqrt(pi) Gamma(n / 2)) * sum_{i=1}^{n-1} sqrt((n - i) / i)
    (Anis and Lloyd 1976).
    """
    total = math.fsum(math.sqrt((length - i) / i) for i in range(1, length))
    gammas = math.lgamma((length - 1) / 2) - math.lgamma(length / 2)
    return gammas - 0.5 * math.log(math.pi) + math.log(total)


def _rescaled_range_slope(columns: FloatArray, *, corrected: bool) -> FloatArray:
    rows, series = columns.shape
    lengths = segment_lengths(rows)
    if rows < HURST_ROWS_MIN:
        return np.full(series, np.nan)
    logs = [math.log(length) for length in lengths]
    centre = math.fsum(logs) / len(logs)
    spread = math.fsum((x - centre) ** 2 for x in logs)
    slope = np.zeros(series)
    for length, log_length in zip(lengths, logs, strict=True):
        heights = _log(_mean_rescaled_range(columns, length))
        if corrected:
            heights -= expected_log_rescaled_range(length)
        slope += (log_length - centre) / spread * heights
    return slope


def _mean_rescaled_range(columns: FloatArray, length: int) -> FloatArray:
    """Return the mean R/S over the segments of `length` rows that end with the last row.

    A segment without variation has no rescaled range and is left out of the mean.
    """
    count = len(columns) // length
    segments = columns[len(columns) - count * length :].reshape(count, length, -1)
    means = np.add.accumulate(segments, axis=1)[:, -1:, :] / length
    centred = segments - means
    walks = np.add.accumulate(centred, axis=1)
    ranges = walks.max(axis=1) - walks.min(axis=1)
    deviations = np.sqrt(np.add.accumulate(centred * centred, axis=1)[:, -1, :] / length)
    moving = (segments != segments[:, :1, :]).any(axis=1) & (deviations > 0.0)
    ratios = np.divide(ranges, deviations, out=np.zeros_like(ranges), where=moving)
    used = moving.sum(axis=0)
    mean: FloatArray = np.full(columns.shape[1], np.nan)
    np.divide(_ordered_sum(ratios), used, out=mean, where=used > 0)
    return mean


def efficiency_ratio(log_returns: FloatArray) -> FloatArray:
    """Return net over total movement of each column: |sum r| / sum |r|, Kaufman's ratio.

    Parameters
    ----------
    log_returns : ndarray of shape (n_rows, n_series)
        Log returns, since the sum of simple returns is not the movement of the price.

    Returns
    -------
    ndarray of shape (n_series,)
        Within [0, 1]; NaN for a series that did not move.
    """
    columns = _two_dimensional(log_returns)
    if not len(columns):
        return np.full(columns.shape[1], np.nan)
    net, total = np.abs(_ordered_sum(columns)), _ordered_sum(np.abs(columns))
    ratio = np.divide(net, total, out=np.full_like(net, np.nan), where=total > 0.0)
    return np.minimum(ratio, 1.0)


def log_returns(returns: FloatArray) -> FloatArray:
    """Return log(1 + r) of simple returns above -1, value by value through `math.log1p`."""
    rows = np.ascontiguousarray(returns, dtype=np.float64)
    return np.array([math.log1p(r) for r in rows.ravel().tolist()]).reshape(rows.shape)


def null_percentile(
    statistic: Statistic, value: float, rows: int, order: int | None = None
) -> float:
    """Return the share of noise series of `rows` rows whose statistic lies below `value`.

    Ties count half, so a value in the middle of the null gives 0.5 even where the statistic takes
    few values (the entropy of few rows).

    Parameters
    ----------
    statistic : {"permutation_entropy", "hurst_exponent", "efficiency_ratio"}
        Which statistic.
    value : float
        Its value; not NaN.
    rows : int
        Rows from which it was computed.
    order : int, optional
        Order of the permutation entropy; must be given for it and for nothing else.

    Returns
    -------
    float
        Within [0, 1].

    Raises
    ------
    ValueError
        If `value` is NaN, `order` does not fit the statistic, or the statistic does not exist for
        so few rows.
    """
    return percentile_of(value, null_distribution(statistic, rows, order))


def percentile_of(value: float, ascending: tuple[float, ...]) -> float:
    """Return the share of `ascending` below `value`, ties counted half.

    >>> percentile_of(2.0, (1.0, 2.0, 2.0, 3.0))
    0.5
    """
    if math.isnan(value):
        msg = "expected a number to place in a distribution, found NaN"
        raise ValueError(msg)
    below, up_to = bisect_left(ascending, value), bisect_right(ascending, value)
    return (below + up_to) / (2 * len(ascending))


@lru_cache(maxsize=256)
def null_distribution(
    statistic: Statistic, rows: int, order: int | None = None
) -> tuple[float, ...]:
    """Return `NULL_DRAWS` values of `statistic` on independent Gaussian noise, ascending.

    Parameters and errors as in `null_percentile`. The permutation entropy only sees the order of
    values, so its noise is uniform, which costs nothing and needs no logarithm.
    """
    compute = _computation(statistic, order)
    random = null_generator(get_args(Statistic).index(statistic), rows, order or 0)
    noise = random.random if statistic == "permutation_entropy" else random.standard_normal
    values = compute(noise((rows, NULL_DRAWS)))
    if np.isnan(values).any():
        msg = f"{statistic} does not exist for {rows} rows"
        raise ValueError(msg)
    return tuple(np.sort(values).tolist())


def null_generator(*key: int) -> np.random.Generator:
    """Return the generator of the null distribution named by `key`, independent of the run."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([NULL_SEED, *key])))


def _computation(statistic: Statistic, order: int | None) -> Callable[[FloatArray], FloatArray]:
    if (statistic == "permutation_entropy") != (order is not None):
        msg = f"the order belongs to permutation_entropy; found {statistic} with order {order}"
        raise ValueError(msg)
    if order is not None:
        return lambda noise: permutation_entropy(noise, order)
    return hurst_exponent if statistic == "hurst_exponent" else efficiency_ratio


def _ordered_sum(values: FloatArray) -> FloatArray:
    """Sum over the first axis, strictly from the first row to the last."""
    total: FloatArray = np.add.accumulate(values, axis=0)[-1]
    return total


def _log(values: FloatArray) -> FloatArray:
    """Return the natural logarithm of positive values; NaN stays NaN."""
    return np.array([math.log(value) for value in values.tolist()])


def _two_dimensional(values: FloatArray) -> FloatArray:
    columns = np.ascontiguousarray(values, dtype=np.float64)
    if columns.ndim != 2:  # noqa: PLR2004 - rows and columns
        msg = f"expected an array of shape (n_rows, n_series), found shape {columns.shape}"
        raise ValueError(msg)
    return columns

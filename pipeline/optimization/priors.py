"""Estimates that enter a problem: mean and covariance of the training returns.

The covariance is divided by its mean variance before any solver sees it: at the scale of daily
returns (1e-4) the stopping rules of conic and QP solvers, which are partly absolute, end too early
and cost up to 5 % of weight. Weights do not change under this scaling.

Every estimator sums in row order without BLAS. A half-life is given in years and becomes rows by
the calendar, 252 or 365 a year. Only numpy is needed: certificates estimate again from here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from pipeline.statistics import covariance
from pipeline.values import frozen_array

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pipeline.config import OptimizationParams, RegimeName
    from pipeline.values import FloatArray, Json, Payload

SHRINKAGE_MAX = 0.6
"""Most that `regime` shrinks: beyond this the assets are nearly exchangeable."""

SAME_TARGET = 1e-24
"""A target at a squared distance up to this share of the sample is the sample, up to rounding."""

STEIN_MINIMUM = 4
"""Assets from which shrinking towards the grand mean lowers the expected error."""


@dataclass(frozen=True, slots=True)
class Estimators:
    """How moments are estimated, with everything that decides their value.

    Attributes
    ----------
    covariance : str
        `sample`, `ledoit_wolf`, `constant_correlation`, `exponential` or `regime`.
    mean : str
        `sample` or `shrunk`.
    half_life_rows : float
        Age in rows at which `exponential` weighs half.
    lift : float
        Share of the way to `SHRINKAGE_MAX` that `regime` adds to the intensity of Ledoit and Wolf.
    """

    covariance: str = "sample"
    mean: str = "sample"
    half_life_rows: float = 0.0
    lift: float = 0.0

    @classmethod
    def of(
        cls, params: OptimizationParams, regime: RegimeName, periods_per_year: int
    ) -> Estimators:
        """Return what the manifest asks for in `regime`."""
        name = params.covariance_estimator
        return cls(
            name,
            params.mean_estimator,
            params.half_life_years * periods_per_year if name == "exponential" else 0.0,
            params.shrinkage_lifts.of(regime) if name == "regime" else 0.0,
        )

    def to_payload(self) -> Payload:
        """Return the names, and the numbers that these names use."""
        told: Payload = {"covariance": self.covariance, "mean": self.mean}
        if self.half_life_rows:
            told["half_life_rows"] = self.half_life_rows
        if self.lift:
            told["lift"] = self.lift
        return told

    @classmethod
    def from_payload(cls, told: Mapping[str, Json]) -> Estimators:
        """Return what `to_payload` wrote; other keys are left alone."""
        known = {name: told[name] for name in cls.__slots__ if name in told}
        return cls(**cast("dict[str, str]", known))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, eq=False)
class Prior:
    """Moments of the training returns.

    Attributes
    ----------
    mean : ndarray of shape (n_symbols,)
        Arithmetic mean return per period.
    covariance : ndarray of shape (n_symbols, n_symbols)
        Covariance divided by `mean_variance`: its mean diagonal entry is 1.
    mean_variance : float
        Mean variance per period of the symbols.
    estimators : Estimators
        How both were estimated.
    """

    mean: FloatArray
    covariance: FloatArray
    mean_variance: float
    estimators: Estimators = Estimators()

    def to_payload(self) -> Payload:
        """Return how mean and covariance were estimated, as certificates state it."""
        return self.estimators.to_payload()


def moments(returns: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the mean and the unscaled sample covariance per period, without BLAS."""
    return returns.sum(axis=0) / len(returns), covariance(returns)


def scaled_prior(mean: FloatArray, covariances: FloatArray, active: Sequence[int]) -> Prior:
    """Return the prior of the columns `active`, which must have a positive variance."""
    index = np.array(active, dtype=np.intp)
    chosen = np.ascontiguousarray(covariances[np.ix_(index, index)])
    scale = float(np.ascontiguousarray(np.diagonal(chosen)).sum()) / len(index)
    return Prior(frozen_array(mean[index]), frozen_array(chosen / scale), scale)


def estimated_prior(returns: FloatArray, how: Estimators) -> Prior:
    """Return the prior of `returns`, whose columns must each have a positive variance."""
    mean, covariances = estimated(returns, how.to_payload())
    found = scaled_prior(mean, covariances, range(len(mean)))
    return Prior(found.mean, found.covariance, found.mean_variance, how)


def estimated(returns: FloatArray, told: Mapping[str, Json]) -> tuple[FloatArray, FloatArray]:
    """Return mean and covariance per period by the estimators that a certificate tells.

    Parameters
    ----------
    returns : ndarray of shape (n_rows, n_symbols)
        Training returns, finite.
    told : mapping
        As `Estimators.to_payload` wrote it; what is missing has its default.
    """
    how = Estimators.from_payload(told)
    mean, matrix = _COVARIANCES[how.covariance](returns, how)
    return (shrunk_mean(mean, matrix, len(returns)) if how.mean == "shrunk" else mean), matrix


def _sample(returns: FloatArray, _: Estimators) -> tuple[FloatArray, FloatArray]:
    return moments(returns)


def _ledoit_wolf(returns: FloatArray, _: Estimators) -> tuple[FloatArray, FloatArray]:
    return _towards_identity(returns, identity_intensity(returns))


def _regime(returns: FloatArray, how: Estimators) -> tuple[FloatArray, FloatArray]:
    least = identity_intensity(returns)
    return _towards_identity(returns, least + how.lift * max(0.0, SHRINKAGE_MAX - least))


def _towards_identity(returns: FloatArray, intensity: float) -> tuple[FloatArray, FloatArray]:
    mean, matrix = moments(returns)
    level = float(np.ascontiguousarray(np.diagonal(matrix)).sum()) / len(matrix)
    return mean, (1.0 - intensity) * matrix + intensity * level * np.eye(len(matrix))


def identity_intensity(returns: FloatArray) -> float:
    """Return how far the sample covariance is to be shrunk towards a multiple of the identity.

    Source: Ledoit and Wolf (2004), "A well-conditioned estimator for large-dimensional covariance
    matrices".
    """
    rows, size = returns.shape
    centred = _centred(returns)
    matrix = _products(centred, centred) / rows
    level = math.fsum(np.diagonal(matrix).tolist()) / size
    norm = math.fsum((matrix * matrix).ravel().tolist())
    spread = norm / size - level * level
    lengths = (centred * centred).sum(axis=1)
    noise = (math.fsum((lengths * lengths).tolist()) / rows - norm) / (rows * size)
    return min(1.0, max(0.0, noise / spread)) if spread > 0.0 else 1.0


def _constant_correlation(returns: FloatArray, _: Estimators) -> tuple[FloatArray, FloatArray]:
    mean, matrix = moments(returns)
    intensity = correlation_intensity(returns)
    deviations = np.sqrt(np.diagonal(matrix))
    target = _mean_correlation(matrix) * (deviations[:, None] * deviations)
    np.fill_diagonal(target, np.diagonal(matrix))
    return mean, (1.0 - intensity) * matrix + intensity * target


def _mean_correlation(matrix: FloatArray) -> float:
    size = len(matrix)
    if size == 1:
        return 0.0
    deviations = np.sqrt(np.diagonal(matrix))
    total: float = math.fsum((matrix / (deviations[:, None] * deviations)).ravel().tolist())
    return (total - size) / (size * (size - 1))


def correlation_intensity(returns: FloatArray) -> float:
    """Return how far the sample covariance is to be shrunk towards one common correlation.

    Source: Ledoit and Wolf (2003), "Honey, I shrunk the sample covariance matrix".
    """
    rows, _ = returns.shape
    centred = _centred(returns)
    matrix = _products(centred, centred) / rows
    variances = np.ascontiguousarray(np.diagonal(matrix))
    deviations, common = np.sqrt(variances), _mean_correlation(matrix)
    target = common * (deviations[:, None] * deviations)
    np.fill_diagonal(target, variances)
    squares = centred * centred
    noise = _products(squares, squares) / rows - matrix * matrix
    cubes = _products(squares * centred, centred) / rows - variances[:, None] * matrix
    np.fill_diagonal(cubes, 0.0)
    shared = math.fsum(np.diagonal(noise).tolist()) + common * math.fsum(
        (cubes * (deviations / deviations[:, None])).ravel().tolist()
    )
    distance = math.fsum(((target - matrix) ** 2).ravel().tolist())
    if distance <= SAME_TARGET * math.fsum((matrix * matrix).ravel().tolist()):
        return 1.0
    wanted: float = (math.fsum(noise.ravel().tolist()) - shared) / distance / rows
    return min(1.0, max(0.0, wanted))


def _exponential(returns: FloatArray, how: Estimators) -> tuple[FloatArray, FloatArray]:
    """Weigh rows by age; the divisor makes the covariance of independent rows unbiased."""
    ages = np.arange(len(returns) - 1, -1, -1, dtype=np.float64)
    weights = np.array([0.5 ** (age / how.half_life_rows) for age in ages.tolist()])
    weights = weights / math.fsum(weights.tolist())
    mean = (returns * weights[:, None]).sum(axis=0)
    centred = returns - mean
    divisor = 1.0 - math.fsum((weights * weights).tolist())
    return mean, _products(centred * weights[:, None], centred, symmetric=True) / divisor


def shrunk_mean(mean: FloatArray, matrix: FloatArray, rows: int) -> FloatArray:
    """Return the means drawn towards their average, the more the less they stand out of the noise.

    The positive part of the James-Stein estimator with the grand mean as target and the mean
    variance as noise; below four assets nothing is gained and the mean stays.

    Source: Efron and Morris (1973), "Stein's estimation rule and its competitors".
    """
    size = len(mean)
    if size < STEIN_MINIMUM:
        return mean
    centre = math.fsum(mean.tolist()) / size
    spread = math.fsum(((mean - centre) ** 2).tolist())
    noise = math.fsum(np.diagonal(matrix).tolist()) / size / rows
    share = min(1.0, (size - 3) * noise / spread) if spread > 0.0 else 1.0
    drawn: FloatArray = centre + (1.0 - share) * (mean - centre)
    return drawn


def _centred(returns: FloatArray) -> FloatArray:
    rows = np.ascontiguousarray(returns)
    found: FloatArray = rows - rows.sum(axis=0) / len(rows)
    return found


def _products(one: FloatArray, other: FloatArray, *, symmetric: bool = False) -> FloatArray:
    """Return `one.T @ other`, summed row by row."""
    total = np.zeros((one.shape[1], other.shape[1]))
    for left, right in zip(one, other, strict=True):
        total += left[:, None] * right
    return (total + total.T) / 2.0 if symmetric else total


_COVARIANCES: Mapping[str, Callable[[FloatArray, Estimators], tuple[FloatArray, FloatArray]]] = {
    "sample": _sample,
    "ledoit_wolf": _ledoit_wolf,
    "constant_correlation": _constant_correlation,
    "exponential": _exponential,
    "regime": _regime,
}

"""Estimates that enter a problem: mean and covariance of the training returns.

The covariance is divided by its mean variance before any solver sees it: at the scale of daily
returns (1e-4) the stopping rules of conic and QP solvers, which are partly absolute, end too early
and cost up to 5 % of weight. Weights do not change under this scaling.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.statistics import covariance
from pipeline.values import frozen_array

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.values import FloatArray, Payload


@dataclass(frozen=True, slots=True, eq=False)
class Prior:
    """Moments of the training returns.

    Attributes
    ----------
    mean : ndarray of shape (n_symbols,)
        Arithmetic mean return per period.
    covariance : ndarray of shape (n_symbols, n_symbols)
        Sample covariance divided by `mean_variance`: its mean diagonal entry is 1.
    mean_variance : float
        Mean variance per period of the symbols.
    """

    mean: FloatArray
    covariance: FloatArray
    mean_variance: float

    def to_payload(self) -> Payload:
        """Return how mean and covariance were estimated, as certificates state it."""
        return {"covariance": "sample", "mean": "sample"}


def moments(returns: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the mean and the unscaled sample covariance per period, without BLAS."""
    return returns.sum(axis=0) / len(returns), covariance(returns)


def scaled_prior(mean: FloatArray, covariances: FloatArray, active: Sequence[int]) -> Prior:
    """Return the prior of the columns `active`, which must have a positive variance."""
    index = np.array(active, dtype=np.intp)
    chosen = np.ascontiguousarray(covariances[np.ix_(index, index)])
    scale = float(np.ascontiguousarray(np.diagonal(chosen)).sum()) / len(index)
    return Prior(frozen_array(mean[index]), frozen_array(chosen / scale), scale)

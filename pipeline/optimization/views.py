"""Black-Litterman: expected returns from an equilibrium and views, each with a confidence.

The prior is not the sample mean, which is mostly noise, but the excess returns for which holding
the reference portfolio is optimal. The views say that the clusters with the clearest trend go on in
the direction in which they went: the sign is that of the momentum, the size is declared by regime.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.optimization.quadratic import eliminate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.values import FloatArray


CONTRADICTION = "the views are certain and contradict each other; lower their confidence"
"""Why there is no posterior."""


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """Statements about portfolios: `picks` has the expected excess `returns`.

    Attributes
    ----------
    picks : ndarray of shape (n_views, n_symbols)
        One portfolio in each row.
    returns : ndarray of shape (n_views,)
        Expected excess return per period.
    confidence : float
        Of all of them: 0 leaves the prior, 1 makes them certain.
    """

    picks: FloatArray
    returns: FloatArray
    confidence: float


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """Expected returns and their covariance after the views.

    Attributes
    ----------
    mean : ndarray of shape (n_symbols,)
        Excess return per period.
    covariance : ndarray of shape (n_symbols, n_symbols)
        Of the returns, with the uncertainty of the mean added.
    """

    mean: FloatArray
    covariance: FloatArray


def equilibrium(covariances: FloatArray, reference: FloatArray, risk_aversion: float) -> FloatArray:
    """Return the excess returns `risk_aversion * S w` for which `reference` is optimal.

    Source: Black and Litterman (1992), "Global portfolio optimization".
    """
    returns: FloatArray = risk_aversion * (covariances * reference).sum(axis=1)
    return returns


def trend_views(
    returns: FloatArray,
    clusters: Sequence[Sequence[int]],
    count: int,
    size: float,
    confidence: float,
) -> Views:
    """Return views on the `count` clusters with the clearest trend.

    A cluster is held in equal parts; its trend is the mean of its return over the standard error.
    The clusters with the largest trends of either sign are taken (ties by cluster), and each is
    expected to return `size` per period in the direction of its trend.
    """
    streams = [returns[:, list(members)].sum(axis=1) / len(members) for members in clusters]
    trends = [_trend(np.ascontiguousarray(stream)) for stream in streams]
    ranked = sorted(range(len(clusters)), key=lambda c: (-abs(trends[c]), c))[:count]
    picks = np.zeros((len(ranked), returns.shape[1]))
    for row, cluster in zip(picks, ranked, strict=True):
        row[list(clusters[cluster])] = 1.0 / len(clusters[cluster])
    signs = [math.copysign(1.0, trends[c]) if trends[c] else 0.0 for c in ranked]
    return Views(picks, size * np.array(signs), confidence)


def _trend(stream: FloatArray) -> float:
    """Return the mean of `stream` in standard errors; 0 where nothing moves."""
    rows = len(stream)
    mean = math.fsum(stream.tolist()) / rows
    variance = math.fsum(((stream - mean) ** 2).tolist()) / (rows - 1)
    return mean / math.sqrt(variance / rows) if variance > 0.0 else 0.0


def posterior(
    covariances: FloatArray, prior_mean: FloatArray, tau: float, views: Views
) -> Posterior | None:
    """Return the expected returns after `views`; `None` if certain views contradict each other.

    `mu = pi + tau S P' (P tau S P' + W)^-1 (q - P pi)`, and the covariance gains
    `tau S - tau S P' (...)^-1 P tau S`. The uncertainty of a view of confidence `c` is
    `W = (1 - c) / c * p tau S p'` (no correlation between views): with `c = 1` the view holds
    exactly, with `c` towards 0 the prior returns.

    Sources: He and Litterman (1999), "The intuition behind Black-Litterman model portfolios";
    Idzorek (2005), "A step-by-step guide to the Black-Litterman model", in the closed form of
    Walters (2014).
    """
    spread = tau * covariances
    if not len(views.returns) or views.confidence == 0.0:
        return Posterior(prior_mean, covariances + spread)
    pull = _rows_times(views.picks, spread)
    inner = _rows_times(views.picks, pull)
    doubt = (1.0 - views.confidence) / views.confidence
    inner = inner + np.diag(doubt * np.diagonal(inner))
    surprise = views.returns - (views.picks * prior_mean).sum(axis=1)
    solved = [
        eliminate(inner, right, np.zeros(len(right)))
        for right in (surprise, *np.ascontiguousarray(pull.T))
    ]
    if any(found is None for found in solved):
        return None
    first, *others = (found for found in solved if found is not None)
    mean = prior_mean + (pull * first[:, None]).sum(axis=0)
    gained = np.array(others)
    reduced = (gained[:, None, :] * pull.T[None, :, :]).sum(axis=2)
    uncertain = spread - (reduced + reduced.T) / 2.0
    return Posterior(mean, covariances + uncertain)


def _rows_times(rows: FloatArray, matrix: FloatArray) -> FloatArray:
    """Return `rows @ matrix.T` for a matrix, summed in a fixed order."""
    return np.array([[math.fsum((row * other).tolist()) for other in matrix] for row in rows])

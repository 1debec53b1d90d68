"""Moments whose bits do not depend on the BLAS, its threads or the processor.

Sums run in row order over C-contiguous arrays, so a matrix that feeds a solver or a tree has the
same bytes everywhere. This costs a few times `numpy.cov`, still microseconds at these sizes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pipeline.values import FloatArray


_BLOCK_VALUES = 1 << 16
"""Products held in memory at a time: half a megabyte, whatever the number of assets."""


def covariance(returns: FloatArray) -> FloatArray:
    """Return the sample covariance (divisor n - 1) of the columns of `returns`.

    Parameters
    ----------
    returns : ndarray of shape (n_rows, n_assets)
        At least two rows, finite.

    Returns
    -------
    ndarray of shape (n_assets, n_assets)
        Per-period covariance, exactly symmetric.
    """
    rows = np.ascontiguousarray(returns, dtype=np.float64)
    if rows.ndim != 2 or len(rows) < 2:  # noqa: PLR2004 - a sample covariance needs two rows
        msg = f"expected at least two rows of returns, found shape {rows.shape}"
        raise ValueError(msg)
    centred = rows - rows.sum(axis=0) / len(rows)
    n = rows.shape[1]
    block = max(1, _BLOCK_VALUES // (n * n))
    total, buffer = np.zeros((n, n)), np.empty((min(block, len(rows)), n, n))
    for first in range(0, len(rows), block):
        part = centred[first : first + block]
        products = np.multiply(part[:, :, None], part[:, None, :], out=buffer[: len(part)])
        # The sum of the rows before is the first summand: one order, whatever the block.
        products[0] += total
        np.add.reduce(products, axis=0, out=total)
    return total / (len(rows) - 1)


def correlation(covariances: FloatArray) -> FloatArray:
    """Return the correlation matrix of a covariance matrix with positive diagonal."""
    deviations = np.sqrt(np.diagonal(covariances))
    matrix: FloatArray = np.clip(
        covariances / (deviations[:, None] * deviations[None, :]), -1.0, 1.0
    )
    np.fill_diagonal(matrix, 1.0)
    return matrix


def correlation_distance(correlations: FloatArray) -> FloatArray:
    """Return d = sqrt((1 - rho) / 2), the Euclidean distance of standardised series.

    Source: Lopez de Prado (2016), "Building diversified portfolios that outperform out of sample".
    """
    matrix = np.sqrt(np.clip((1.0 - correlations) / 2.0, 0.0, 1.0))
    np.fill_diagonal(matrix, 0.0)
    return matrix

"""Stage 5: survivors that move together, by Ward linkage of correlation distances.

The distance, the tree and the cut are functions of their own because the optimisation builds its
hierarchies from the same ones. The symbols come in ascending order, so ties in the linkage go to
the earlier symbol, and clusters are numbered from 1 by their first symbol.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from pipeline.errors import DataError
from pipeline.statistics import correlation, correlation_distance, covariance

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.selection.context import Context
    from pipeline.values import FloatArray


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """The clusters of one window, made once by the selection and named by their digest.

    Attributes
    ----------
    clusters : mapping of int to tuple of str
        Cluster number, from 1, to its symbols.
    sha256 : str
        Digest of them; the results of `optimize`, `rebalance` and `simulate` carry it.
    """

    clusters: Mapping[int, tuple[str, ...]]
    sha256: str

    @classmethod
    def of(cls, found: Mapping[int, Sequence[str]]) -> ClusterSpec:
        """Return the clusters `found` with their digest."""
        return cls({number: tuple(found[number]) for number in sorted(found)}, digest(found))

    def checked(self) -> ClusterSpec:
        """Return itself, if the clusters have the digest.

        Raises
        ------
        DataError
            If they have another one.
        """
        found = digest(self.clusters)
        if found == self.sha256:
            return self
        raise DataError(
            f"the clusters have the digest {found}, expected {self.sha256}",
            where=f"{len(self.clusters)} clusters of the selection",
            why="all stages of a window work with the clusters that its selection recorded",
            fix="pass the result of the selection as it was recorded",
        )


def clusters(context: Context) -> Context:
    """Set `clusters` and `clusters_sha256`."""
    symbols, params = context.survivors, context.params
    found: Mapping[int, tuple[str, ...]] = {}
    if symbols:
        returns = context.returns.columns(symbols).values
        tree = ward_tree(distance(returns, params.correlation_shrinkage))
        found = cut(tree, symbols, params.cluster_count)
    return replace(context, clusters=found, clusters_sha256=digest(found))


def distance(returns: FloatArray, shrinkage: float) -> FloatArray:
    """Return sqrt((1 - rho) / 2) of the correlations, shrunk towards the identity.

    Parameters
    ----------
    returns : ndarray of shape (n_rows, n_symbols)
        At least two rows; no column may be constant.
    shrinkage : float
        Within [0, 1]: rho becomes (1 - shrinkage) rho off the diagonal.

    Returns
    -------
    ndarray of shape (n_symbols, n_symbols)
        Within [0, 1], symmetric, zero on the diagonal.

    Raises
    ------
    ValueError
        If a column is constant: it has no correlation, and 0 or 1 would be an invention.
    """
    moments = covariance(returns)
    if not (np.diagonal(moments) > 0.0).all():
        msg = "a constant column has no correlation; veto it before clustering"
        raise ValueError(msg)
    rho = correlation(moments) * (1.0 - shrinkage)
    upper = np.triu(rho, 1)
    rho = upper + upper.T
    np.fill_diagonal(rho, 1.0)
    return correlation_distance(rho)


def ward_tree(distances: FloatArray) -> FloatArray:
    """Return the Ward linkage of a distance matrix, in scipy's form.

    Parameters
    ----------
    distances : ndarray of shape (n_symbols, n_symbols)
        Symmetric; must be Euclidean, as correlation distances are (Ward assumes it).

    Returns
    -------
    ndarray of shape (n_symbols - 1, 4)
        Empty for a single symbol.
    """
    if len(distances) == 1:
        return np.zeros((0, 4))
    tree: FloatArray = linkage(distances[np.triu_indices(len(distances), 1)], method="ward")
    return tree


def cut(tree: FloatArray, symbols: Sequence[str], count: int) -> dict[int, tuple[str, ...]]:
    """Return at most `count` clusters, numbered from 1 by their first symbol.

    Merges of exactly equal height are undone together, so fewer may come out.

    Parameters
    ----------
    tree : ndarray of shape (n_symbols - 1, 4)
        From `ward_tree`.
    symbols : sequence of str
        The leaves, ascending.
    count : int
        Most clusters wanted, at least 1.
    """
    labels = [1] if len(symbols) == 1 else fcluster(tree, count, criterion="maxclust").tolist()
    members: dict[int, list[str]] = {}
    for symbol, label in zip(symbols, labels, strict=True):
        members.setdefault(label, []).append(symbol)
    ordered = sorted(tuple(sorted(group)) for group in members.values())
    return dict(enumerate(ordered, start=1))


def digest(found: Mapping[int, Sequence[str]]) -> str:
    """Return the SHA-256 of the clusters' canonical text, lower-case hex.

    The text is JSON in ASCII without spaces, keys sorted: `{"1":["A","C"],"2":["B"]}`.
    """
    named = {str(number): sorted(symbols) for number, symbols in found.items()}
    text = json.dumps(named, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()

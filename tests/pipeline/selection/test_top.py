"""How many symbols of each cluster: more where members differ, and never too many together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import SelectionParams
from pipeline.errors import DataError
from pipeline.selection.clusters import ClusterSpec, digest
from pipeline.selection.top import Top, dispersion, top_counts
from tests.pipeline.optimization.markets import make_market, make_returns


def test_dispersion_is_the_variance_around_the_mean_of_the_cluster() -> None:
    """Two members at +1 and -1 around their mean: 1; one member, or equal ones: 0."""
    returns = make_returns(np.array([[0.03, 0.01, 0.03], [0.01, 0.03, 0.01]]))
    assert dispersion(returns, ("A", "B")) == pytest.approx(1e-4)
    assert dispersion(returns, ("A",)) == 0.0
    assert dispersion(returns, ("A", "C")) == 0.0


def test_the_rule_by_hand() -> None:
    """Spreads of 1, 4 and 16 around a median of 4: factors a half, one, two at the exponent 1/2."""
    base = np.array([[1.0], [-1.0], [1.0], [-1.0]]) * 0.01
    columns = [s * base for size in (1.0, 2.0, 4.0) for s in (size, -size, size, -size)]
    returns = make_returns(np.concatenate(columns, axis=1))
    clusters = {1: tuple("ABCD"), 2: tuple("EFGH"), 3: tuple("IJKL")}
    params = SelectionParams(top_per_cluster=2, top_cluster_max=4)
    found = top_counts(returns, clusters, params)
    assert [entry.count for entry in found] == [1, 2, 4]
    assert [entry.wanted for entry in found] == pytest.approx([1.0, 2.0, 4.0])


@settings(max_examples=50, deadline=None)
@given(
    st.integers(0, 1000),
    st.tuples(st.integers(2, 24), st.integers(1, 8)),
    st.integers(1, 5),
    st.integers(1, 12),
    st.sampled_from([0.0, 0.5, 2.0]),
)
def test_counts_stay_within_every_limit(
    seed: int, size: tuple[int, int], top: int, total: int, exponent: float
) -> None:
    """At least one of each cluster, never more than the total, unless there are more clusters."""
    returns, clusters = make_market(size[0], min(size), 60, seed)
    params = SelectionParams(top_per_cluster=top, top_total_max=total, top_exponent=exponent)
    found = top_counts(returns, clusters, params)
    assert [entry.cluster for entry in found] == sorted(clusters)
    assert min(entry.count for entry in found) >= 1
    assert sum(entry.count for entry in found) <= max(total, len(clusters))
    assert max(entry.count for entry in found) <= params.top_cluster_max
    assert [Top.from_payload(entry.to_payload()) for entry in found] == list(found)


def test_an_exponent_of_zero_is_the_fixed_number() -> None:
    """Every cluster of enough members gets `top_per_cluster`."""
    returns, clusters = make_market(12, 3)
    params = SelectionParams(top_per_cluster=3, top_exponent=0.0)
    assert [entry.count for entry in top_counts(returns, clusters, params)] == [3, 3, 3]


def test_wider_clusters_never_get_less() -> None:
    """Counts rise with the dispersion."""
    returns, clusters = make_market(24, 4, seed=3)
    found = sorted(
        top_counts(returns, clusters, SelectionParams()), key=lambda entry: entry.dispersion
    )
    counts = [entry.count for entry in found]
    assert counts == sorted(counts)


def test_clusters_are_named_by_their_digest() -> None:
    """Order and type of the members do not matter; other members are refused."""
    spec = ClusterSpec.of({2: ["B"], 1: ["A", "C"]})
    assert spec.sha256 == digest({1: ("C", "A"), 2: ("B",)})
    assert spec.checked() is spec
    with pytest.raises(DataError, match="the clusters have the digest"):
        ClusterSpec({1: ("A", "B"), 2: ("C",)}, spec.sha256).checked()

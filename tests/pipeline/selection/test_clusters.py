"""Distance, tree and cut: by hand, against scipy's definition, and where they degenerate."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import SelectionParams
from pipeline.selection.clusters import clusters, cut, digest, distance, ward_tree
from pipeline.selection.context import Context
from pipeline.values import Panel, Returns, frozen_array, frozen_dates

if TYPE_CHECKING:
    from pipeline.values import FloatArray


def noise(seed: int, rows: int, columns: int) -> FloatArray:
    """Return independent Gaussian values."""
    return np.random.Generator(np.random.PCG64(seed)).standard_normal((rows, columns))


def groups(seed: int, rows: int = 200) -> FloatArray:
    """Return six series, three pairs that move together: 0 and 3, 1 and 4, 2 and 5."""
    factors = noise(seed, rows, 3)
    return np.concatenate([factors, factors], axis=1) + 0.3 * noise(seed + 1, rows, 6)


def naive_ward(points: FloatArray) -> list[float]:
    """Merge the pair that adds least to the within-cluster sum of squares; return the heights."""
    parts = [[i] for i in range(len(points))]
    heights = []
    while len(parts) > 1:
        best = min(
            (_ward_cost(points, parts[a], parts[b]), a, b)
            for a in range(len(parts))
            for b in range(a + 1, len(parts))
        )
        heights.append(float(np.sqrt(2.0 * best[0])))
        merged = parts.pop(best[2]) + parts.pop(best[1])
        parts.append(merged)
    return heights


def _ward_cost(points: FloatArray, a: list[int], b: list[int]) -> float:
    gap = points[a].mean(axis=0) - points[b].mean(axis=0)
    return float(len(a) * len(b) / (len(a) + len(b)) * (gap**2).sum())


def test_distance_equals_a_hand_computed_value() -> None:
    """Correlations 1, -1 and 0.5 give 0, 1 and 0.5; shrinkage pulls towards sqrt 0.5."""
    base = np.array([1.0, -1.0, 1.0, -1.0])
    found = distance(np.stack([base, 2.0 * base, -base], axis=1), 0.0)
    assert found == pytest.approx(np.array([[0, 0, 1], [0, 0, 1], [1, 1, 0]]), abs=1e-7)
    shrunk = distance(np.stack([base, -base], axis=1), 0.5)
    assert shrunk[0, 1] == pytest.approx(np.sqrt((1 + 0.5) / 2))


def test_full_shrinkage_makes_all_symbols_equally_far() -> None:
    """With the identity as correlation every distance is sqrt 0.5."""
    found = distance(noise(1, 50, 4), 1.0)
    assert found[np.triu_indices(4, 1)] == pytest.approx(np.full(6, np.sqrt(0.5)))


@pytest.mark.property
@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 9), st.floats(0.0, 1.0))
def test_distance_is_a_metric_matrix(seed: int, columns: int, shrinkage: float) -> None:
    """Exactly symmetric, zero on the diagonal, within [0, 1], with the triangle inequality."""
    found = distance(noise(seed, 30, columns), shrinkage)
    assert (found == found.T).all()
    assert (np.diagonal(found) == 0.0).all()
    assert ((found >= 0.0) & (found <= 1.0)).all()
    assert (found[:, None, :] <= found[:, :, None] + found[None, :, :] + 1e-9).all()


def test_constant_column_is_refused() -> None:
    """A missing correlation is an error, not a NaN in a tree and not an invented 0."""
    values = noise(2, 30, 3)
    values[:, 1] = 0.0
    with pytest.raises(ValueError, match="constant"):
        distance(values, 0.01)


def test_tree_heights_are_those_of_ward() -> None:
    """Between standardised series the distance is Euclidean, so Ward's definition applies."""
    values = noise(3, 40, 7)
    centred = values - values.mean(axis=0)
    points = (centred / np.sqrt((centred**2).sum(axis=0))).T / 2.0
    assert ward_tree(distance(values, 0.0))[:, 2] == pytest.approx(naive_ward(points))


def test_groups_are_found_and_numbered_by_their_first_symbol() -> None:
    """Three pairs, in the order of A, B, C."""
    tree = ward_tree(distance(groups(4), 0.01))
    assert cut(tree, list("ABCDEF"), 3) == {1: ("A", "D"), 2: ("B", "E"), 3: ("C", "F")}


def test_one_symbol_is_one_cluster() -> None:
    """No pair, no tree, no error."""
    tree = ward_tree(distance(noise(5, 30, 1), 0.01))
    assert tree.shape == (0, 4)
    assert cut(tree, ["A"], 8) == {1: ("A",)}


@pytest.mark.parametrize(("count", "expected"), [(1, {1: ("A", "B")}), (2, {1: ("A",), 2: ("B",)})])
def test_two_symbols_are_cut_as_wanted(count: int, expected: dict[int, tuple[str, ...]]) -> None:
    """The smallest tree."""
    assert cut(ward_tree(distance(noise(6, 30, 2), 0.01)), ["A", "B"], count) == expected


@pytest.mark.parametrize("shrinkage", [0.0, 0.01])
def test_equal_columns_share_a_cluster(shrinkage: float) -> None:
    """Two listings of one asset are one bet, also where every distance is 0 or tied."""
    values = noise(7, 60, 2)
    twins = np.concatenate([values, values, values], axis=1)
    found = cut(ward_tree(distance(twins, shrinkage)), list("ABCDEF"), 2)
    assert found == {1: ("A", "C", "E"), 2: ("B", "D", "F")}


@pytest.mark.property
@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 14))
def test_cut_is_a_partition_of_at_most_count_clusters(seed: int, columns: int, count: int) -> None:
    """Every symbol once, clusters numbered from 1 by first symbol, never more than wanted."""
    symbols = [f"S{i:02d}" for i in range(columns)]
    found = cut(ward_tree(distance(noise(seed, 40, columns), 0.01)), symbols, count)
    assert sorted(symbol for members in found.values() for symbol in members) == symbols
    assert list(found) == list(range(1, len(found) + 1))
    assert len(found) <= count
    firsts = [members[0] for members in found.values()]
    assert firsts == sorted(firsts)


@pytest.mark.property
@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 10))
def test_a_coarser_cut_only_merges(seed: int, columns: int) -> None:
    """With fewer clusters wanted, every cluster is a union of finer ones."""
    symbols = [f"S{i:02d}" for i in range(columns)]
    tree = ward_tree(distance(noise(seed, 40, columns), 0.01))
    for count in range(1, columns):
        coarse = [set(members) for members in cut(tree, symbols, count).values()]
        for fine in cut(tree, symbols, count + 1).values():
            assert any(set(fine) <= group for group in coarse)


@pytest.mark.property
@settings(deadline=None)
@given(st.integers(0, 10_000), st.permutations(range(7)))
def test_renamed_symbols_are_clustered_alike(seed: int, order: list[int]) -> None:
    """The partition does not depend on the order of the columns (series without ties)."""
    values = noise(seed, 60, 7)
    symbols = list("ABCDEFG")
    plain = cut(ward_tree(distance(values, 0.01)), symbols, 3)
    moved = cut(ward_tree(distance(values[:, order], 0.01)), symbols, 3)
    back = {frozenset(symbols[order[symbols.index(s)]] for s in group) for group in moved.values()}
    assert back == {frozenset(group) for group in plain.values()}


def test_digest_is_that_of_the_canonical_text() -> None:
    """Anyone can compute it: SHA-256 of `{"1":["A","C"],"2":["B"]}`."""
    text = b'{"1":["A","C"],"2":["B"]}'
    assert digest({2: ("B",), 1: ("C", "A")}) == hashlib.sha256(text).hexdigest()
    assert digest({}) == hashlib.sha256(b"{}").hexdigest()


def test_digest_tells_clusters_apart() -> None:
    """Moving one symbol changes it."""
    assert digest({1: ("A", "B"), 2: ("C",)}) != digest({1: ("A",), 2: ("B", "C")})


def test_stage_clusters_the_survivors_only() -> None:
    """Vetoed symbols have no cluster; without survivors there is none."""
    dates = frozen_dates(np.datetime64("2020-01-01") + np.arange(201))
    panel = Panel.of(dates, list("ABCDEF"), np.ones((201, 6)))
    context = Context(panel, tuple("ABCDEF"), SelectionParams(cluster_count=2), 252)
    returns = Returns(frozen_dates(dates[1:]), tuple("ABCDEF"), frozen_array(groups(8)))
    found = clusters(replace(context, returns=returns, survivors=("A", "B", "D")))
    assert found.clusters == {1: ("A", "D"), 2: ("B",)}
    assert found.clusters_sha256 == digest(found.clusters)
    assert clusters(context).clusters == {}

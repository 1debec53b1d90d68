"""Thinning keeps every extreme where it is and invents nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from warehouse.reports.thinning import thin

SERIES = st.lists(st.floats(0, 50), max_size=300).map(
    lambda values: [(i * 0.2, value) for i, value in enumerate(values)]
)


def test_lowest_and_highest_of_each_column_are_kept() -> None:
    """Within one unit of width the extremes stay, in the order of time, and so do the ends."""
    points = [(0.0, 5.0), (0.2, 9.0), (0.4, 1.0), (0.8, 4.0), (1.0, 3.0), (1.5, 2.0), (1.9, 3.0)]
    assert thin(points) == [(0.0, 5.0), (0.2, 9.0), (0.4, 1.0), (1.0, 3.0), (1.5, 2.0), (1.9, 3.0)]


def test_nothing_stays_nothing() -> None:
    """A series without points has no line; one point stays."""
    assert thin([]) == []
    assert thin([(1.0, 2.0)]) == [(1.0, 2.0)]


@given(SERIES)
def test_thinned_points_are_points_in_order(points: list[tuple[float, float]]) -> None:
    """Every point kept is one of the series, in its order, at most two a column and the ends."""
    kept = thin(points)
    assert kept == sorted(set(kept) & set(points), key=points.index)
    columns = {int(x) for x, _ in points}
    assert len(kept) <= 2 * len(columns) + 2


@given(SERIES)
def test_extremes_and_ends_stay(points: list[tuple[float, float]]) -> None:
    """The highest and lowest value of every column, and both ends, are kept."""
    kept = thin(points)
    assert (kept[:1], kept[-1:]) == (points[:1], points[-1:])
    for column in {int(x) for x, _ in points}:
        before = [y for x, y in points if int(x) == column]
        after = [y for x, y in kept if int(x) == column]
        assert (min(before), max(before)) == (min(after), max(after))


@given(SERIES)
def test_thinning_twice_changes_nothing_more(points: list[tuple[float, float]]) -> None:
    """What was thinned cannot lose an extreme or an end by thinning again."""
    assert thin(thin(points)) == thin(points)

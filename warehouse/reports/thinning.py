"""Fewer points for the same picture.

A line of thousands of days is drawn on a few hundred columns of pixels. Of the points that fall
into one column the lowest and the highest are kept, in the order of time, and the first and the
last point of the series always. Every peak and trough therefore stays where it is; nothing is
averaged. The rule has no choice in it, so the same series gives the same drawing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

Point = tuple[float, float]
"""Horizontal and vertical place of a point on a drawing."""


def thin(points: Sequence[Point], column: float = 1.0) -> list[Point]:
    """Return the lowest and highest point of each column, and both ends.

    Parameters
    ----------
    points : sequence of (float, float)
        Points with ascending horizontal places.
    column : float
        Width of a column, in units of the drawing.
    """
    if not points:
        return []
    kept: list[Point] = [points[0]]
    start = 0
    for stop in range(1, len(points) + 1):
        if stop < len(points) and points[stop][0] // column == points[start][0] // column:
            continue
        kept += _extremes(points[start:stop])
        start = stop
    kept.append(points[-1])
    return [point for i, point in enumerate(kept) if i == 0 or point != kept[i - 1]]


def _extremes(points: Sequence[Point]) -> list[Point]:
    low = min(range(len(points)), key=lambda i: points[i][1])
    high = max(range(len(points)), key=lambda i: points[i][1])
    return [points[i] for i in sorted({low, high})]

"""A scatter of two ratios with the diagonal, and the hurdle that the best of many must clear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from warehouse.reports import svg
from warehouse.reports.charts import LEFT, WIDTH
from warehouse.reports.scale import Linear, linear_ticks
from warehouse.reports.svg import Box
from warehouse.reports.wording import decimal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

_BOX = Box(LEFT, 14, 360, 300)
_SIDE = 4.0


@dataclass(frozen=True, slots=True)
class Point:
    """One book: two ratios, and whether it is the main one."""

    x: float
    y: float
    is_main: bool


def draw(
    id_: str, title: str, description: str, points: Sequence[Point], hurdle: float | None
) -> Markup:
    """Return the drawing; every mark is a square, that of the main book filled and drawn last."""
    values = [value for p in points for value in (p.x, p.y)] + [0.0]
    values += [] if hurdle is None else [hurdle]
    low, high = min(values) - 0.1, max(values) + 0.1
    across = Linear(low, high, _BOX.left, _BOX.right)
    up = Linear(low, high, _BOX.bottom, _BOX.top)
    ticks = linear_ticks(low, high, 5)
    parts = [
        svg.left_axis(_BOX, [(up(tick), decimal(tick, 1)) for tick in ticks]),
        svg.bottom_axis(_BOX, [(across(tick), decimal(tick, 1)) for tick in ticks]),
        svg.rule(across(low), up(low), across(high), up(high), "grid one"),
        svg.label(_BOX.right, _BOX.bottom + 24, "first half", "tick x", "end"),
        svg.label(_BOX.left + 4, _BOX.top + 10, "second half", "tick"),
    ]
    if hurdle is not None:
        parts.append(svg.rule(_BOX.left, up(hurdle), _BOX.right, up(hurdle), "line cap"))
        parts.append(svg.label(_BOX.right + 6, up(hurdle), "hurdle", "end cap"))
    for point in sorted(points, key=lambda p: (p.is_main, p.x, p.y)):
        x, y = across(point.x), up(point.y)
        cls = "mark main" if point.is_main else "mark"
        parts.append(svg.bars([(x - _SIDE, x + _SIDE, y - _SIDE)], y + _SIDE, cls))
    return svg.drawing(id_, title, description, (WIDTH, 372), *parts)

"""Marks of a drawing as SVG text: the least that the charts of a report need.

Colours, strokes and fonts are classes of the style sheet, so that a drawing follows light, dark and
print; here are only places. Coordinates have at most one decimal, attributes stand in the order
they are given, and ids come from the caller: the same values give the same text.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from warehouse.reports.thinning import Point


@dataclass(frozen=True, slots=True)
class Box:
    """The plotting area of a panel, in units of the drawing."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Right edge."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """Bottom edge."""
        return self.top + self.height


def place(value: float) -> str:
    """Return a coordinate with at most one decimal.

    Raises
    ------
    ValueError
        If it is not finite: a drawing never hides a missing number.
    """
    if not math.isfinite(value):
        msg = f"a coordinate must be finite, not {value}"
        raise ValueError(msg)
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def tag(name: str, attributes: Mapping[str, str | float], *content: Markup) -> Markup:
    """Return an element; attribute values are escaped, content is markup already."""
    pairs = "".join(
        f' {key}="{value if isinstance(value, Markup) else _attribute(value)}"'
        for key, value in attributes.items()
        if value != ""
    )
    if not content:
        return Markup(f"<{name}{pairs}/>")  # noqa: S704 - escaped above
    return Markup(f"<{name}{pairs}>{Markup().join(content)}</{name}>")  # noqa: S704 - escaped above


def label(x: float, y: float, text: str, cls: str = "", anchor: str = "") -> Markup:
    """Return a text; `anchor` is `start` (default), `middle` or `end`."""
    attributes: dict[str, str | float]
    attributes = {"x": x, "y": y, "class": cls, "text-anchor": anchor}
    return tag("text", attributes, escape(text))


def line(points: Sequence[Point], cls: str) -> Markup:
    """Return a line through the points."""
    return tag("path", {"class": cls, "d": _polyline(points)}) if points else Markup()


def rule(x1: float, y1: float, x2: float, y2: float, cls: str) -> Markup:
    """Return one straight line."""
    return line([(x1, y1), (x2, y2)], cls)


def steps(points: Sequence[Point], stop: float, cls: str) -> Markup:
    """Return a line that keeps each value until the next point, the last until `stop`."""
    return tag("path", {"class": cls, "d": _staircase(points, stop)}) if points else Markup()


def step_area(points: Sequence[Point], stop: float, base: float, cls: str) -> Markup:
    """Return the area between a staircase and the horizontal `base`."""
    if not points:
        return Markup()
    start = place(points[0][0])
    return tag("path", {"class": cls, "d": f"{_staircase(points, stop)}V{place(base)}H{start}z"})


def area(points: Sequence[Point], base: float, cls: str) -> Markup:
    """Return the area between a line and the horizontal `base`."""
    if not points:
        return Markup()
    path = f"{_polyline(points)}V{place(base)}H{place(points[0][0])}z"
    return tag("path", {"class": cls, "d": path})


def bars(spans: Iterable[tuple[float, float, float]], base: float, cls: str) -> Markup:
    """Return bars `(left, right, end)` standing on `base`, as one path."""
    path = "".join(
        f"M{place(left)} {place(base)}V{place(end)}H{place(right)}V{place(base)}z"
        for left, right, end in spans
    )
    return tag("path", {"class": cls, "d": path}) if path else Markup()


def bands(spans: Iterable[tuple[float, float]], box: Box, cls: str) -> Markup:
    """Return upright bands `(left, right)` over the height of `box`, as one path."""
    return bars([(left, right, box.top) for left, right in spans], box.bottom, cls)


def left_axis(box: Box, ticks: Iterable[tuple[float, str]]) -> Markup:
    """Return grid lines and labels at vertical places."""
    return Markup().join(
        rule(box.left, y, box.right, y, "grid") + label(box.left - 6, y, text, "tick y", "end")
        for y, text in ticks
    )


def bottom_axis(box: Box, ticks: Iterable[tuple[float, str]], *, labels: bool = True) -> Markup:
    """Return the base line with tick marks, and labels below them."""
    parts = [rule(box.left, box.bottom, box.right, box.bottom, "axis")]
    for x, text in ticks:
        parts.append(rule(x, box.bottom, x, box.bottom + 4, "axis"))
        if labels:
            parts.append(label(x, box.bottom + 6, text, "tick x", "middle"))
    return Markup().join(parts)


def strip(spans: Iterable[tuple[int, int, str]], length: int, title: str) -> Markup:
    """Return a row of a heat map: spans `(first, last, class)` of `length` equal cells.

    The class says colour and height, so a cell can be told without its colour. The drawing is
    stretched to its place; it has no text but its title.
    """
    heights = {"low": 0.3, "half": 0.6, "full": 1.0}
    parts = [tag("title", {}, escape(title))]
    for first, last, cls in spans:
        tall = 10 * heights[cls.split()[-1]]
        box: dict[str, str | float] = {
            "x": first,
            "y": 10 - tall,
            "width": last - first + 1,
            "height": tall,
        }
        parts.append(tag("rect", box | {"class": cls}))
    frame = {
        "class": "strip-row",
        "role": "img",
        "viewBox": f"0 0 {length} 10",
        "preserveAspectRatio": "none",
    }
    return tag("svg", frame, *parts)


def drawing(
    id_: str, title: str, description: str, size: tuple[int, int], *content: Markup
) -> Markup:
    """Return a whole drawing that scales with the page and can be read aloud."""
    frame = {
        "class": "chart",
        "role": "img",
        "viewBox": f"0 0 {size[0]} {size[1]}",
        "aria-labelledby": f"chart-{id_}-title chart-{id_}-desc",
    }
    return tag(
        "svg",
        frame,
        tag("title", {"id": f"chart-{id_}-title"}, escape(title)),
        tag("desc", {"id": f"chart-{id_}-desc"}, escape(description)),
        *content,
    )


def _attribute(value: str | float) -> str:
    return str(escape(value)) if isinstance(value, str) else place(value)


def _polyline(points: Sequence[Point]) -> str:
    return "M" + "L".join(f"{place(x)} {place(y)}" for x, y in points)


def _staircase(points: Sequence[Point], stop: float) -> str:
    parts = [f"M{place(points[0][0])} {place(points[0][1])}"]
    for (_, before), (x, y) in itertools.pairwise(points):
        if y != before:
            parts.append(f"H{place(x)}V{place(y)}")
    return "".join(parts) + f"H{place(stop)}"

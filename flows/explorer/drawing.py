"""The pictures of the explorer, made of the marks of the report.

Each has a table of the same values beside it. What differs by colour also differs by height,
hatching or place.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from markupsafe import Markup, escape

from warehouse.reports import svg
from warehouse.reports.charts import MOST_DATES
from warehouse.reports.scale import Days, Linear, date_ticks, linear_ticks
from warehouse.reports.svg import Box
from warehouse.reports.wording import percent

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

WIDTH: Final = 760
NAMES: Final = 150
ROW: Final = 20
AXIS: Final = 34
LONGEST: Final = 22
"""A name in a margin is cut at this many characters; the table has the whole."""
HEIGHTS: Final = {
    "ok": "full",
    "closed": "low",
    "stale": "half",
    "degraded": "half",
    "missing": "full",
    "dropped": "low",
}
"""How tall the cell of a health status is; `strip` of the report has the same heights."""
_TALL: Final = {"low": 0.3, "half": 0.6, "full": 1.0}


@dataclass(frozen=True, slots=True)
class Bar:
    """A weight now and before."""

    name: str
    now: float
    before: float


@dataclass(frozen=True, slots=True)
class Window:
    """A window on the axis of time."""

    row: str
    first: dt.date
    last: dt.date
    state: str


@dataclass(frozen=True, slots=True)
class Node:
    """A column on the way from a mart to a record.

    Attributes
    ----------
    name, read_by : str
        The column, and the one a step nearer; empty for the first.
    depth : int
        Steps from the first.
    layer : str
        Its schema.
    """

    name: str
    read_by: str
    depth: int
    layer: str


def weight_bars(bars: Sequence[Bar]) -> Markup:
    """Return weights as bars, each above a thinner one for the weight before."""
    low = min([0.0, *(min(bar.now, bar.before) for bar in bars)])
    high = max([0.01, *(max(bar.now, bar.before) for bar in bars)])
    height = ROW * len(bars)
    box = Box(NAMES, 6, WIDTH - NAMES - 60, height)
    across = Linear(low, high, box.left, box.right)
    parts = [_ticks(box, across, low, high)]
    for at, bar in enumerate(bars):
        top = box.top + at * ROW
        parts += [
            svg.label(box.left - 8, top + ROW / 2, _cut(bar.name), "y name", "end"),
            _bar(across, bar.now, (top + 3, 8), "bar"),
            _bar(across, bar.before, (top + 12, 4), "bar before"),
            svg.label(
                max(across(bar.now), across(bar.before)) + 5, top + ROW / 2, percent(bar.now), "y"
            ),
        ]
    words = f"{len(bars)} weights as bars; the thinner bar below each is the weight before."
    size = (WIDTH, height + AXIS)
    return svg.drawing("weights", "Weights against those before", words, size, *parts)


def window_rows(windows: Sequence[Window]) -> Markup:
    """Return windows as blocks on an axis of time, one row for each name."""
    rows = sorted({window.row for window in windows})
    first = min(window.first for window in windows)
    last = max(window.last for window in windows)
    height = (ROW + 4) * len(rows)
    box = Box(NAMES, 6, WIDTH - NAMES - 20, height)
    scale = Days(first, last, box.left, box.right)
    parts = []
    for at, row in enumerate(rows):
        top = box.top + at * (ROW + 4)
        parts.append(svg.label(box.left - 8, top + ROW / 2, _cut(row), "y name", "end"))
        parts += _blocks([each for each in windows if each.row == row], scale, top)
    parts.append(_dates(box, scale))
    words = (
        f"{len(windows)} test windows from {first} to {last} in {len(rows)} rows. Blocks alternate "
        "in height; one without a result is taller than all others."
    )
    return svg.drawing("windows", "Windows of the run", words, (WIDTH, height + AXIS), *parts)


def heat_map(days: Sequence[dt.date], rows: Mapping[str, Sequence[str]]) -> Markup:
    """Return the status of every symbol on every day that was checked.

    Parameters
    ----------
    days : sequence of date
        The days, ascending; one column each.
    rows : mapping of str to sequence of str
        Symbol -> status by day; empty where it was not checked.
    """
    height = ROW * len(rows)
    box = Box(NAMES, 6, WIDTH - NAMES - 20, height)
    wide = box.width / len(days)
    parts = []
    for at, (symbol, states) in enumerate(rows.items()):
        top = box.top + at * ROW
        parts.append(svg.label(box.left - 8, top + ROW / 2, _cut(symbol), "y name", "end"))
        for state, first, count in _spans(states):
            parts.append(_cell(box.left + first * wide, top, count * wide, state))
    ends = [(box.left, days[0].isoformat(), "start"), (box.right, days[-1].isoformat(), "end")]
    parts += [svg.label(x, box.bottom + 8, text, "x", anchor) for x, text, anchor in ends]
    words = f"Status of {len(rows)} symbols at {len(days)} checks from {days[0]} to {days[-1]}."
    return svg.drawing("health", "Health by symbol and day", words, (WIDTH, height + AXIS), *parts)


def lineage_columns(nodes: Sequence[Node]) -> Markup:
    """Return the way of a column as boxes, one column of boxes for each step, joined by lines."""
    depths = sorted({node.depth for node in nodes})
    wide = WIDTH / len(depths)
    at = {depth: [node for node in nodes if node.depth == depth] for depth in depths}
    places = {
        node.name: (number * wide, 24 + place * 40.0)
        for number, depth in enumerate(depths)
        for place, node in enumerate(at[depth])
    }
    height = 24 + 40 * max(len(each) for each in at.values())
    parts = [
        svg.label(number * wide, 12, f"{depth} steps" if depth != 1 else "1 step", "panel")
        for number, depth in enumerate(depths)
    ]
    parts += [
        _join(places[node.name], places[node.read_by], wide) for node in nodes if node.read_by
    ]
    parts += [_box(node, *places[node.name], wide) for node in nodes]
    words = f"{nodes[0].name} is computed from {len(nodes) - 1} columns; the table lists them."
    return svg.drawing("lineage", "Lineage of the column", words, (WIDTH, height), *parts)


def _box(node: Node, x: float, y: float, wide: float) -> Markup:
    relation, _, column = node.name.rpartition(".")
    most = max(int(wide / 6.4) - 4, 8)
    frame: dict[str, str | float] = {
        "x": x,
        "y": y,
        "width": wide - 18,
        "height": 32,
        "rx": 3,
        "class": f"node {'raw' if node.layer == 'raw' else 'derived'}",
    }
    return Markup().join(
        (
            svg.tag("rect", frame),
            svg.label(x + 7, y + 13, _cut(column, most), "node-name"),
            svg.label(x + 7, y + 26, _cut(relation, most), "node-table"),
        )
    )


def _join(source: tuple[float, float], target: tuple[float, float], wide: float) -> Markup:
    x1, y1 = target[0] + wide - 18, target[1] + 16
    x2, y2 = source[0], source[1] + 16
    middle = (x1 + x2) / 2
    places = " ".join(svg.place(value) for value in (middle, y1, middle, y2, x2, y2))
    start = f"M{svg.place(x1)} {svg.place(y1)}"
    return svg.tag("path", {"class": "join", "d": f"{start}C{places}"})


def _bar(across: Linear, value: float, place: tuple[float, float], cls: str) -> Markup:
    """Return a bar from zero to `value`; `place` is its top and height."""
    left, right = sorted((across(0.0), across(value)))
    return _rect(Box(left, place[0], max(right - left, 0.4), place[1]), cls)


def _rect(box: Box, cls: str, title: str = "") -> Markup:
    places: dict[str, str | float] = {
        "x": box.left,
        "y": box.top,
        "width": box.width,
        "height": box.height,
        "class": cls,
    }
    return svg.tag("rect", places, *([svg.tag("title", {}, escape(title))] if title else []))


def _blocks(windows: Sequence[Window], scale: Days, top: float) -> list[Markup]:
    found = []
    ordered = sorted(windows, key=lambda each: (each.first, each.last))
    # A window ends where the next begins: the days between them have no market.
    stops = [*(scale(each.first) for each in ordered[1:]), scale(ordered[-1].last)]
    for at, (window, right) in enumerate(zip(ordered, stops, strict=True)):
        left = scale(window.first)
        is_ok = window.state == "ok"
        tall = (ROW - 4 if at % 2 == 0 else ROW - 9) if is_ok else ROW + 2
        cls = "window ok" if is_ok else "window failed"
        title = f"{window.row}, {window.first} to {window.last}: {window.state}"
        box = Box(left, top + ROW - tall, max(right - left, 0.6), tall)
        found.append(_rect(box, cls, title))
    return found


def _cell(left: float, top: float, wide: float, state: str) -> Markup:
    tall = (ROW - 4) * _TALL[HEIGHTS.get(state, "half")]
    return _rect(Box(left, top + ROW - 2 - tall, wide, tall), f"cell s-{state}")


def _spans(states: Sequence[str]) -> list[tuple[str, int, int]]:
    """Return runs of the same status as status, first cell and number of cells."""
    found, at = [], 0
    for state, members in itertools.groupby(states):
        count = len(list(members))
        if state:
            found.append((state, at, count))
        at += count
    return found


def _ticks(box: Box, across: Linear, low: float, high: float) -> Markup:
    marks = [svg.rule(across(0.0), box.top, across(0.0), box.bottom, "axis")]
    for tick in linear_ticks(low, high, 5):
        marks.append(svg.rule(across(tick), box.top, across(tick), box.bottom, "grid"))
        marks.append(svg.label(across(tick), box.bottom + 8, percent(tick, 0), "x", "middle"))
    return Markup().join(marks)


def _dates(box: Box, scale: Days) -> Markup:
    ticks = date_ticks(scale.first, scale.last, MOST_DATES)
    return svg.bottom_axis(box, [(scale(day), text) for day, text in ticks])


def _cut(text: str, most: int = LONGEST) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}\u2026"

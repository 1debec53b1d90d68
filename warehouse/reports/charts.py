"""The charts of the page: panels that share one axis of time.

Labels stand in the margins of a panel, so that the style sheet may enlarge them on a narrow screen
without covering a line. Lines differ by stroke, bands by hatching, areas by number, never by colour
alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from warehouse.reports import svg
from warehouse.reports.scale import Days, Linear, Logarithmic, date_ticks, linear_ticks, log_ticks
from warehouse.reports.svg import Box
from warehouse.reports.thinning import thin
from warehouse.reports.wording import count, decimal, multiple, percent

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence

    from warehouse.reports.thinning import Point

WIDTH = 680
LEFT = 60
PLOT = 556
TITLE = 32
AXIS = 34
LABEL_GAP = 22.0
SMALL = (216, 120)
MOST_DATES = 8


@dataclass(frozen=True, slots=True)
class Span:
    """Days that a value holds for, both included in the drawing."""

    first: dt.date
    last: dt.date


@dataclass(frozen=True, slots=True)
class Daily:
    """A series by day. A day without a value is left out."""

    days: tuple[dt.date, ...]
    values: tuple[float, ...]


def time_scale(first: dt.date, last: dt.date) -> Days:
    """Return the axis of time of a full-width chart."""
    return Days(first, last, LEFT, LEFT + PLOT)


def panel(top: float, height: float) -> Box:
    """Return a full-width plotting area."""
    return Box(LEFT, top, PLOT, height)


def heading(box: Box, text: str) -> Markup:
    """Return the heading of a panel, above its area."""
    return svg.label(box.left, box.top - 12, text, "panel")


def dates_below(box: Box, scale: Days, *, labels: bool = True) -> Markup:
    """Return the axis of time at the bottom of a panel."""
    ticks = date_ticks(scale.first, scale.last, MOST_DATES)
    return svg.bottom_axis(box, [(scale(day), text) for day, text in ticks], labels=labels)


def percent_axis(box: Box, scale: Linear, most: int, places: int = 0) -> Markup:
    """Return grid lines at round percentages."""
    ticks = linear_ticks(min(scale.low, scale.high), max(scale.low, scale.high), most)
    return svg.left_axis(box, [(scale(tick), percent(tick, places)) for tick in ticks])


def regime_bands(box: Box, scale: Days, spans: Mapping[str, Sequence[Span]]) -> Markup:
    """Return the bands of the regimes that have one, over the height of a panel."""
    parts = []
    for regime in ("turbulent", "crisis"):
        places = [
            (scale(max(span.first, scale.first)), scale(min(span.last, scale.last)))
            for span in spans.get(regime, ())
            if span.last >= scale.first and span.first <= scale.last
        ]
        parts.append(svg.bands(places, box, f"band {regime}"))
    return Markup().join(parts)


def growth_panel(
    box: Box, scale: Days, net: Daily, gross: Daily, spans: Mapping[str, Sequence[Span]]
) -> Markup:
    """Return growth of 1, gross and net, on a log scale, over bands of regimes."""
    positive = [value for value in (*net.values, *gross.values) if value > 0]
    low, high = min(*positive, 1.0), max(*positive, 1.0)
    if high / low < 1 + 1e-9:
        high = low * 1.01
    up = Logarithmic(low, high, box.bottom - 4, box.top + 4)
    lines = {name: _places(scale, up, series) for name, series in (("gross", gross), ("net", net))}
    ticks = [(up(tick), multiple(tick)) for tick in log_ticks(low, high, 6)]
    ends = spread({name: points[-1][1] for name, points in lines.items()}, LABEL_GAP)
    return Markup().join(
        (
            heading(box, "Growth of 1, log scale"),
            regime_bands(box, scale, spans),
            svg.left_axis(box, ticks),
            *(svg.line(thin(points), f"line {name}") for name, points in lines.items()),
            *(svg.label(box.right + 6, y, name, f"end {name}") for name, y in ends.items()),
            dates_below(box, scale),
        )
    )


def drawdown_panel(box: Box, scale: Days, drawdown: Daily) -> Markup:
    """Return how far below the peak, hanging from zero."""
    worst = max(*drawdown.values, 0.01)
    down = Linear(0.0, -worst, box.top, box.bottom)
    points = thin([(scale(d), down(-v)) for d, v in _pairs(drawdown)])
    return Markup().join(
        (
            heading(box, "Drawdown, net"),
            percent_axis(box, down, 3),
            svg.area(points, box.top, "area drawdown"),
            svg.line(points, "line thin"),
            dates_below(box, scale, labels=False),
        )
    )


def volatility_panel(box: Box, scale: Days, volatility: Daily) -> Markup:
    """Return the rolling volatility."""
    high = max(*volatility.values, 0.01) if volatility.values else 0.01
    up = Linear(0.0, high, box.bottom, box.top)
    points = thin([(scale(d), up(v)) for d, v in _pairs(volatility)])
    return Markup().join(
        (
            heading(box, "Volatility over 63 days, a year, net"),
            percent_axis(box, up, 3),
            svg.line(points, "line thin"),
            dates_below(box, scale),
        )
    )


def ratio_panel(box: Box, scale: Days, ratios: Daily, title: str) -> Markup:
    """Return a ratio that may be negative, as a line with zero marked."""
    low, high = min([*ratios.values, 0.0]), max([*ratios.values, 0.0])
    up = Linear(low, high if high > low else low + 1.0, box.bottom, box.top)
    ticks = [(up(tick), decimal(tick, 1)) for tick in linear_ticks(up.low, up.high, 4)]
    return Markup().join(
        (
            heading(box, title),
            svg.left_axis(box, ticks),
            svg.rule(box.left, up(0.0), box.right, up(0.0), "grid one"),
            svg.line(thin([(scale(d), up(v)) for d, v in _pairs(ratios)]), "line thin"),
            dates_below(box, scale),
        )
    )


def count_bars(id_: str, title: str, description: str, named: Sequence[tuple[str, int]]) -> Markup:
    """Return one lying bar for each name, longest possible for the highest count."""
    left, gap, tall = 170, 24, 15
    high = max([number for _, number in named] + [1])
    parts = []
    for place, (name, number) in enumerate(named):
        top = 8 + place * gap
        width = (PLOT - 160) * number / high
        parts.append(svg.label(left - 8, top + tall / 2, name, "tick y", "end"))
        parts.append(svg.bars([(left, left + max(width, 0.5), top)], top + tall, "bar"))
        parts.append(svg.label(left + width + 8, top + tall / 2, count(number), "end number"))
    size = (WIDTH, 16 + gap * len(named))
    return svg.drawing(id_, title, description, size, *parts)


def small_growth(
    id_: str, name: str, net: Daily, gross: Daily, bounds: tuple[float, float]
) -> Markup:
    """Return one of the small drawings; all share `bounds`, the lowest and highest growth."""
    width, height = SMALL
    box = Box(2, 6, width - 4, height - 30)
    scale = Days(net.days[0], net.days[-1], box.left, box.right)
    up = Logarithmic(*bounds, box.bottom - 1, box.top + 1)
    first, last = net.days[0], net.days[-1]
    body = (
        svg.rule(box.left, up(1.0), box.right, up(1.0), "grid one"),
        svg.line(thin(_places(scale, up, gross)), "line gross"),
        svg.line(thin(_places(scale, up, net)), "line net"),
        svg.bottom_axis(box, ()),
        svg.label(box.left, box.bottom + 6, str(first.year), "tick x"),
        svg.label(box.right, box.bottom + 6, str(last.year), "tick x", "end"),
    )
    words = f"Net growth of 1 from {first} to {last}: {multiple(net.values[-1])}, log scale."
    return svg.drawing(id_, name, words, SMALL, *body)


def stacked_panel(
    box: Box, scale: Days, spans: Sequence[Span], layers: Sequence[Sequence[float]]
) -> Markup:
    """Return weights as areas that stand on each other, the first layer lowest.

    Parameters
    ----------
    spans : sequence of Span
        One for each window, ascending.
    layers : sequence of sequence of float
        One for each area: its weight in each window.
    """
    totals = [0.0] * len(spans)
    tops: list[list[float]] = []
    for layer in layers:
        totals = [total + weight for total, weight in zip(totals, layer, strict=True)]
        tops.append(totals)
    up = Linear(0.0, max(1.0, *totals), box.bottom, box.top)
    stop = scale(spans[-1].last)
    places = [scale(span.first) for span in spans]
    areas = [
        svg.step_area(
            [(x, up(value)) for x, value in zip(places, top, strict=True)],
            stop,
            box.bottom,
            f"layer l{number}",
        )
        for number, top in enumerate(tops, start=1)
    ]
    return Markup().join(
        (
            percent_axis(box, up, 4),
            *reversed(areas),
            _numbers(box, up, layers),
            dates_below(box, scale),
        )
    )


def bar_panel(
    box: Box,
    scale: Days,
    spans: Sequence[Span],
    values: Sequence[float],
    spell: Callable[[float], str],
) -> Markup:
    """Return one bar for each window.

    A first bar that would flatten the rest is cut off (`is_first_cut`).
    """
    high = max([*(values[1:] if is_first_cut(values) else values), 0.0])
    up = Linear(0.0, high or 1.0, box.bottom, box.top)
    ticks = [(up(tick), spell(tick)) for tick in linear_ticks(0.0, high, 3)] if high else []
    columns = [
        (scale(span.first), max(scale(span.first) + 0.6, right - 0.4), up(min(value, high)))
        for span, right, value in zip(spans, _rights(scale, spans), values, strict=True)
    ]
    return svg.left_axis(box, ticks) + svg.bars(columns, box.bottom, "bar")


def is_first_cut(values: Sequence[float]) -> bool:
    """Return whether the first bar is cut off: it is more than twice as tall as any other.

    The first window buys everything from cash; the words beside a chart say how much.
    """
    return values[0] > 2 * max([*values[1:], 0.0]) > 0


def cap_panel(
    box: Box,
    scale: Days,
    spans: Sequence[Span],
    values: Sequence[float],
    caps: Sequence[float],
) -> Markup:
    """Return the fullest weight of each window as an area below the staircase of its cap."""
    up = Linear(0.0, max(*values, *caps, 0.01) * 1.05, box.bottom, box.top)
    stop = scale(spans[-1].last)
    places = [scale(span.first) for span in spans]
    used = [(x, up(value)) for x, value in zip(places, values, strict=True)]
    limit = [(x, up(value)) for x, value in zip(places, caps, strict=True)]
    return Markup().join(
        (
            percent_axis(box, up, 3),
            svg.step_area(used, stop, box.bottom, "area used"),
            svg.steps(limit, stop, "line cap"),
            svg.label(box.right + 6, limit[-1][1], "cap", "end cap"),
        )
    )


def spread(places: Mapping[str, float], gap: float) -> dict[str, float]:
    """Return vertical places at least `gap` apart, in the same order, moved as a group."""
    ordered = sorted(places, key=lambda name: (places[name], name))
    out: dict[str, float] = {}
    for i, name in enumerate(ordered):
        low = out[ordered[i - 1]] + gap if i else float("-inf")
        out[name] = max(places[name], low)
    drift = sum(out[name] - places[name] for name in ordered) / len(ordered) if ordered else 0.0
    return {name: out[name] - drift for name in places}


def _numbers(box: Box, up: Linear, layers: Sequence[Sequence[float]]) -> Markup:
    """Return the number of each area that is open at the right edge, beside it."""
    base, places = 0.0, {}
    for number, layer in enumerate(layers, start=1):
        if layer[-1] > 1e-9:  # noqa: PLR2004 - a weight
            places[str(number)] = up(base + layer[-1] / 2)
        base += layer[-1]
    return Markup().join(
        svg.label(box.right + 8, y, number, "end number")
        for number, y in spread(places, LABEL_GAP - 6).items()
    )


def _rights(scale: Days, spans: Sequence[Span]) -> list[float]:
    return [scale(span.first) for span in spans[1:]] + [scale(spans[-1].last)]


def _pairs(series: Daily) -> list[tuple[dt.date, float]]:
    return list(zip(series.days, series.values, strict=True))


def _places(scale: Days, up: Logarithmic, series: Daily) -> list[Point]:
    return [(scale(day), up(value)) for day, value in _pairs(series)]

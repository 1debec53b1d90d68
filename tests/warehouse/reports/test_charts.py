"""Charts put marks where the numbers are."""

from __future__ import annotations

import datetime as dt
import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse.reports import charts
from warehouse.reports.charts import Daily, Span
from warehouse.reports.wording import multiple

FIRST = dt.date(2020, 1, 1)
DAYS = tuple(FIRST + dt.timedelta(days=i) for i in range(100))
SCALE = charts.time_scale(DAYS[0], DAYS[-1])
BOX = charts.panel(30, 100)
WINDOWS = [Span(DAYS[i], DAYS[i + 9]) for i in range(0, 100, 10)]


def texts(drawn: str) -> list[str]:
    """Return the words of a drawing."""
    return re.findall(r">([^<>]+)</text>", drawn)


def test_growth_has_both_lines_and_their_names() -> None:
    """Gross and net are drawn and named at their ends."""
    net = Daily(DAYS, tuple(1 + 0.01 * i for i in range(100)))
    gross = Daily(DAYS, tuple(1 + 0.02 * i for i in range(100)))
    drawn = charts.growth_panel(BOX, SCALE, net, gross, {"crisis": [Span(DAYS[3], DAYS[5])]})
    assert drawn.count('class="line net"') == drawn.count('class="line gross"') == 1
    assert 'class="band crisis"' in drawn
    assert {"net", "gross", multiple(1.0), multiple(2.0)} <= set(texts(drawn))


def test_growth_that_never_moves_can_be_drawn() -> None:
    """A book that stayed in cash has a flat line."""
    flat = Daily(DAYS, (1.0,) * 100)
    assert 'class="line net"' in charts.growth_panel(BOX, SCALE, flat, flat, {})


def test_growth_to_nothing_can_be_drawn() -> None:
    """A book that lost everything is drawn at the bottom of the log scale."""
    ruined = Daily(DAYS, (*(1.0,) * 50, *(0.0,) * 50))
    assert 'class="line net"' in charts.growth_panel(BOX, SCALE, ruined, ruined, {})


def test_bands_stay_within_the_time_of_the_chart() -> None:
    """Regimes before the first day are cut, those outside are left out."""
    early = FIRST - dt.timedelta(days=50)
    spans = {"turbulent": [Span(early, early), Span(early, DAYS[10])]}
    drawn = charts.regime_bands(BOX, SCALE, spans)
    places = [float(x) for x in re.findall(r"[MH]([0-9.]+)", drawn)]
    assert places == [BOX.left, pytest.approx(SCALE(DAYS[10]), abs=0.05)]


def test_drawdown_hangs_from_zero() -> None:
    """The deepest day touches the bottom of the panel."""
    drawn = charts.drawdown_panel(BOX, SCALE, Daily(DAYS, (0.0,) * 99 + (0.4,)))
    assert f"L{BOX.right:.0f} {BOX.bottom:.0f}" in drawn


def test_volatility_without_values_is_an_empty_panel() -> None:
    """Before 63 days there is nothing to draw, and the axis is still there."""
    drawn = charts.volatility_panel(BOX, SCALE, Daily((), ()))
    assert 'class="line thin"' not in drawn
    assert 'class="axis"' in drawn


def test_layers_stand_on_each_other() -> None:
    """The last layer reaches the top, the first its own weight, and each has its number."""
    drawn = charts.stacked_panel(BOX, SCALE, WINDOWS, [[0.25] * 10, [0.75] * 10])
    lower = re.search(r'class="layer l1" d="M60 ([0-9.]+)', drawn)
    upper = re.search(r'class="layer l2" d="M60 ([0-9.]+)', drawn)
    assert lower is not None
    assert upper is not None
    assert float(lower[1]) == BOX.bottom - 25
    assert float(upper[1]) == BOX.top
    assert drawn.index("layer l2") < drawn.index("layer l1")
    assert {"1", "2"} <= set(texts(drawn))


def test_layer_that_ended_has_no_number_at_the_edge() -> None:
    """A symbol that is not held at the end is named in the key only."""
    drawn = charts.stacked_panel(BOX, SCALE, WINDOWS, [[1.0] * 9 + [0.0], [0.0] * 9 + [1.0]])
    assert "1" not in texts(drawn)
    assert "2" in texts(drawn)


@pytest.mark.parametrize(
    ("values", "cut"),
    [([1.0, 0.1, 0.2], True), ([0.3, 0.1, 0.2], False), ([1.0], False), ([1.0, 0.0], False)],
)
def test_first_bar_is_cut_when_it_hides_the_rest(values: list[float], cut: bool) -> None:  # noqa: FBT001
    """Only a first window more than twice as tall as any other is cut off."""
    assert charts.is_first_cut(values) is cut


def test_bars_never_leave_the_panel() -> None:
    """A bar that is cut ends at the top of the panel."""
    values = [1.0, *(0.1,) * 9]
    drawn = charts.bar_panel(BOX, SCALE, WINDOWS, values, str)
    assert min(float(y) for y in re.findall(r"V([0-9.]+)", drawn)) == BOX.top


def test_bars_of_nothing_have_no_scale() -> None:
    """A book that never traded has no bars to scale."""
    assert texts(charts.bar_panel(BOX, SCALE, WINDOWS, [0.0] * 10, str)) == []


def test_cap_is_a_line_above_what_was_used() -> None:
    """The staircase of the cap and the area below it are both drawn."""
    drawn = charts.cap_panel(BOX, SCALE, WINDOWS, [0.2] * 10, [0.25] * 10)
    assert drawn.count('class="line cap"') == drawn.count('class="area used"') == 1


@given(st.dictionaries(st.text(min_size=1), st.floats(0, 500), min_size=1, max_size=12))
def test_labels_never_overlap(places: dict[str, float]) -> None:
    """Labels end at least a gap apart and in the order of their places."""
    apart = charts.spread(places, 12)
    order = sorted(places, key=lambda name: (places[name], name))
    assert set(apart) == set(places)
    assert all(apart[b] - apart[a] >= 12 - 1e-6 for a, b in itertools.pairwise(order))

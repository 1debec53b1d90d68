"""Marks are well-formed, finite, escaped, and the same for the same values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from tests.warehouse.reports.outline import outline_of
from warehouse.reports import svg
from warehouse.reports.svg import Box

BOX = Box(10, 20, 100, 50)


def test_place_has_at_most_one_decimal() -> None:
    """Places are rounded to a tenth of a unit, without a trailing zero or a negative zero."""
    assert [svg.place(x) for x in (1, 1.04, 1.06, -0.04, 12.0, -3.25)] == [
        "1",
        "1",
        "1.1",
        "0",
        "12",
        "-3.2",
    ]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_place_refuses_what_is_not_finite(value: float) -> None:
    """A missing number cannot be drawn as if it were one."""
    with pytest.raises(ValueError, match="finite"):
        svg.place(value)


@given(st.text(), st.text())
def test_words_are_escaped(name: str, words: str) -> None:
    """Whatever a title or label says, it stays text."""
    drawn = svg.drawing("x", name, words, (10, 10), svg.label(1, 2, words))
    assert drawn.count("<") == drawn.count(">")
    for tag in ("title", "desc", "text"):
        assert drawn.count(f"<{tag}") == 1
    assert "<script" not in drawn


def test_attributes_are_escaped() -> None:
    """A quote in an attribute does not end it."""
    assert svg.tag("g", {"class": 'a" onload="x'}) == '<g class="a&#34; onload=&#34;x"/>'
    assert svg.tag("g", {"class": ""}) == "<g/>"


def test_box_has_its_edges() -> None:
    """Right and bottom follow from left, top, width and height."""
    assert (BOX.right, BOX.bottom) == (110, 70)


def test_lines_areas_and_steps() -> None:
    """The paths are those drawn by hand."""
    points = [(0.0, 5.0), (10.0, 5.0), (20.0, 1.0)]
    assert svg.line(points, "a") == '<path class="a" d="M0 5L10 5L20 1"/>'
    assert svg.area(points, 9, "a") == '<path class="a" d="M0 5L10 5L20 1V9H0z"/>'
    assert svg.steps(points, 30, "a") == '<path class="a" d="M0 5H20V1H30"/>'
    assert svg.step_area(points, 30, 9, "a") == '<path class="a" d="M0 5H20V1H30V9H0z"/>'
    assert svg.rule(1, 2, 3, 4, "a") == '<path class="a" d="M1 2L3 4"/>'


def test_bars_and_bands_are_one_path() -> None:
    """Bars stand on their base; bands fill the height of the box."""
    assert svg.bars([(1, 2, 5), (3, 4, 6)], 9, "b") == (
        '<path class="b" d="M1 9V5H2V9zM3 9V6H4V9z"/>'
    )
    assert svg.bands([(1, 2)], BOX, "b") == '<path class="b" d="M1 70V20H2V70z"/>'


def test_nothing_to_draw_is_nothing() -> None:
    """Empty series leave no mark."""
    nothing = (svg.line([], "a"), svg.area([], 1, "a"), svg.steps([], 1, "a"), svg.bars([], 1, "a"))
    assert [*nothing, svg.step_area([], 1, 1, "a")] == [Markup()] * 5


def test_axes_have_a_label_for_each_tick() -> None:
    """Grid lines carry their values; a bottom axis may go without labels."""
    left = svg.left_axis(BOX, [(30, "1 %"), (60, "2 %")])
    assert left.count("<text") == left.count("grid") == 2
    assert svg.bottom_axis(BOX, [(30, "2020")]).count("<text") == 1
    assert svg.bottom_axis(BOX, [(30, "2020")], labels=False).count("<text") == 0


def test_strip_tells_each_span_by_its_height() -> None:
    """A row of the heat map covers its length, and the class says how tall each span is."""
    drawn = outline_of(svg.strip([(0, 6, "a low"), (7, 7, "b half"), (8, 9, "c full")], 10, "AAA"))
    frame = drawn.all("svg")[0]
    assert frame.attributes["viewbox"] == "0 0 10 10"
    rows = [e.attributes for e in drawn.all("rect")]
    assert [(r["x"], r["width"], r["height"]) for r in rows] == [
        ("0", "7", "3"),
        ("7", "1", "6"),
        ("8", "2", "10"),
    ]
    assert drawn.all("title")[0].text == "AAA"

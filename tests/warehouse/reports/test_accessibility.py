"""Rules of accessibility, checked on the page and on the colours of its style sheet.

A checker for browsers is not part of the environment; these are the rules of WCAG 2.2 that can be
decided from the page itself.
"""

from __future__ import annotations

import itertools
import re
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

from tests.warehouse.reports.outline import outline_of
from tests.warehouse.reports.test_compliance import report_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.warehouse.reports.outline import Element

STYLE = files("warehouse.reports").joinpath("templates", "style.css").read_text(encoding="utf-8")
ENOUGH = 4.5
"""Least contrast of text, level AA."""


@pytest.fixture(scope="module", params=["run", "framework"])
def shown(request: pytest.FixtureRequest, snapshot: Path, html: str) -> Element:
    """Return the page of a run, and that of a framework."""
    return outline_of(html if request.param == "run" else report_of(snapshot, "mifid"))


def test_page_names_its_language_and_its_title(shown: Element) -> None:
    """A reader is told the language and what the page is about."""
    assert shown.all("html")[0].attributes["lang"] == "en"
    assert shown.all("title")[0].text.startswith("Report of ")
    content = [e.attributes.get("content") for e in shown.all("meta")]
    assert "width=device-width, initial-scale=1" in content


def test_landmarks_stand_once_and_navigation_is_named(shown: Element) -> None:
    """One main part, one footer, a named navigation, and a way past it."""
    assert len(shown.all("main")) == 1
    assert len(shown.all("footer")) == 1
    assert shown.all("nav")[0].attributes["aria-label"]
    assert shown.of_class("skip")[0].attributes["href"] == "#main"


def test_headings_go_down_one_level_at_a_time(shown: Element) -> None:
    """Nothing is skipped, and no heading is empty."""
    found = [e for e in shown.everything() if re.fullmatch(r"h[1-6]", e.tag)]
    levels = [int(e.tag[1]) for e in found]
    assert all(e.text.strip() for e in found)
    assert levels[0] == 1
    assert all(below - above <= 1 for above, below in itertools.pairwise(levels))


def test_headers_of_tables_say_what_they_head(shown: Element) -> None:
    """Every header cell has a scope and a text; every table has a name."""
    assert shown.all("th")
    for cell in shown.all("th"):
        assert cell.attributes.get("scope") in {"col", "row", "colgroup"}, cell.text
    for table in shown.all("table"):
        assert "aria-labelledby" in table.attributes or table.all("caption")


def test_drawings_are_images_with_a_name_or_hidden(shown: Element) -> None:
    """A drawing is announced with its title, or is decoration and not announced at all."""
    assert shown.all("svg")
    for drawing in shown.all("svg"):
        if drawing.attributes.get("aria-hidden") == "true":
            continue
        assert drawing.attributes["role"] == "img"
        assert drawing.all("title")[0].text


def test_links_and_regions_have_names(shown: Element) -> None:
    """A link has a text or a label; what scrolls can be reached and is named."""
    for link in shown.all("a"):
        assert link.text.strip() or link.attributes.get("aria-label")
    for region in shown.of_class("scroll"):
        assert region.attributes["tabindex"] == "0"
        assert region.attributes["aria-labelledby"]


def test_focus_can_be_seen_and_the_check_is_announced(shown: Element) -> None:
    """Whatever takes the focus has an outline; the strip of the check is a live region."""
    assert re.search(r"a:focus-visible, summary:focus-visible, \[tabindex\]:focus-visible", STYLE)
    assert shown.by_id("selfcheck").attributes["role"] == "status"


def luminance(colour: str) -> float:
    """Return the relative luminance of `#rrggbb` (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    """Return the contrast ratio of two colours."""
    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def palettes() -> list[dict[str, str]]:
    """Return the colours of the light, the dark and the printed page."""
    blocks = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    found = []
    for block in blocks:
        pairs = dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{3,6})", block))
        long = {
            name: c if len(c) > 4 else "#" + "".join(2 * x for x in c[1:])
            for name, c in pairs.items()
        }
        found.append(long)
    return found


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize(
    ("ink", "paper"),
    [
        ("ink", "paper"),
        ("ink", "panel"),
        ("ink", "mark"),
        ("soft", "paper"),
        ("soft", "panel"),
        ("muted", "paper"),
        ("accent", "paper"),
        ("pass", "paper"),
        ("none", "paper"),
        ("fail", "paper"),
        ("on-fail", "fail"),
    ],
)
def test_text_stands_out_from_its_ground(number: int, ink: str, paper: str) -> None:
    """Light, dark and print: every pair of text and ground has the contrast of level AA."""
    palette = palettes()[number]
    assert contrast(palette[ink], palette[paper]) >= ENOUGH


def test_contrast_of_black_and_white_is_the_greatest() -> None:
    """The measure is the one of the rule: 21 to 1 for black on white, 1 for equal colours."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#777777") == pytest.approx(1)

"""Numbers are spelled one way."""

from __future__ import annotations

import datetime as dt

import pytest

from warehouse.reports import wording
from warehouse.reports.wording import ABSENT, MINUS, NARROW, TIMES


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (wording.count(28104), f"28{NARROW}104"),
        (wording.count(-5), f"{MINUS}5"),
        (wording.decimal(1234.5), f"1{NARROW}234.50"),
        (wording.decimal(-0.001), "0.00"),
        (wording.percent(0.1234), f"12.3{NARROW}%"),
        (wording.percent(-0.5, 0), f"{MINUS}50{NARROW}%"),
        (wording.percent(-0.00001), f"0.0{NARROW}%"),
        (wording.basis_points(0.0006), "6.0"),
        (wording.multiple(2.4567), f"2.46{TIMES}"),
        (wording.multiple(1234.5), f"1{NARROW}234.50{TIMES}"),
        (wording.small(3.1e-16), f"3.1e{MINUS}16"),
        (wording.small(0.0), "0"),
        (wording.day(dt.date(2020, 3, 16)), "2020-03-16"),
        (wording.month(dt.date(2020, 3, 16)), "2020-03"),
        (wording.words("symbol_cap"), "symbol cap"),
        (wording.plural(1, "row"), "1 row"),
        (wording.plural(2, "row"), "2 rows"),
        (wording.plural(2, "wrong hash", "wrong hashes"), "2 wrong hashes"),
    ],
)
def test_spelling(found: str, expected: str) -> None:
    """Thousands, minus, percent and zero have one spelling."""
    assert found == expected


@pytest.mark.parametrize(
    "found",
    [
        wording.count(None),
        wording.decimal(None),
        wording.percent(None),
        wording.basis_points(None),
        wording.small(None),
        wording.day(None),
        wording.parameter(None),
    ],
)
def test_what_does_not_apply_is_a_dash(found: str) -> None:
    """Nothing is never shown as zero."""
    assert found == ABSENT


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5.0", "5"),
        ("0.25", "0.25"),
        ('"window"', "window"),
        ("window", "window"),
        ("true", "yes"),
        ("false", "no"),
        ("null", "none"),
        ('["a","b"]', '["a", "b"]'),
    ],
)
def test_parameters_are_spelled_for_people(text: str, expected: str) -> None:
    """A recorded parameter is JSON text or plain text."""
    assert wording.parameter(text) == expected

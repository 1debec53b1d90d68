"""Suggestions for unknown names."""

from __future__ import annotations

from pipeline.ingestion.spelling import closest, did_you_mean


def test_case_is_ignored_and_the_known_spelling_returned() -> None:
    """A name in another case is suggested as it is known."""
    assert closest("xnys", ["XLON", "XNYS"]) == "XNYS"
    assert closest("zzz", ["XLON", "XNYS"]) is None


def test_names_that_differ_in_case_only_are_suggested_reproducibly() -> None:
    """Two known names with one lower-case form do not depend on the order given."""
    assert closest("aapl", ["AAPL", "Aapl"]) == closest("aapl", ["Aapl", "AAPL"]) == "AAPL"


def test_without_a_near_name_the_known_ones_are_listed() -> None:
    """A reader who is far off sees what there is, and how much more."""
    assert did_you_mean("q", ["b", "a"]) == "known: a, b"
    assert did_you_mean("?", [f"n{i:02d}" for i in range(14)]).endswith("n11 and 2 more")

"""The best of every cluster, and the record of a selection."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import SelectionParams
from pipeline.selection.context import Context, Features, Score, Verdict
from pipeline.selection.synthesis import Selection, synthesis
from pipeline.values import Panel

PANEL = Panel.of(["2020-01-01"], ["A"], [[1.0]])

symbols = st.sampled_from(["A", "BRK.B", "C/USDT", "Ä"])
numbers = st.floats(allow_nan=False, allow_infinity=False)
maybe = st.none() | numbers
selections = st.builds(
    Selection,
    as_of=st.dates().map(str),
    universe=st.lists(symbols).map(tuple),
    features=st.lists(st.builds(Features, symbols, maybe, numbers, maybe, maybe, maybe)).map(tuple),
    verdicts=st.lists(
        st.builds(Verdict, symbols, st.text(max_size=9), maybe, maybe, st.booleans())
    ).map(tuple),
    relaxed=st.integers(0, 3),
    scores=st.lists(st.builds(Score, symbols, numbers, st.integers(1, 99))).map(tuple),
    clusters=st.dictionaries(st.integers(1, 30), st.lists(symbols).map(tuple), max_size=3),
    clusters_sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
    selected=st.lists(symbols).map(tuple),
)


def integral_as_int(value: object) -> object:
    """Return a payload as the ledger gives it back: 1.0 is written as 1."""
    if isinstance(value, dict):
        return {key: integral_as_int(one) for key, one in value.items()}
    if isinstance(value, list):
        return [integral_as_int(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def selected(top: int, clusters: dict[int, tuple[str, ...]], ranks: dict[str, int]) -> list[str]:
    """Run the last stage on given clusters and ranks."""
    context = Context(PANEL, ("A",), SelectionParams(top_per_cluster=top), 252)
    scores = tuple(Score(symbol, 1.0 / rank, rank) for symbol, rank in sorted(ranks.items()))
    return list(synthesis(replace(context, clusters=clusters, scores=scores)).selected)


def test_the_best_ranks_of_every_cluster_are_selected() -> None:
    """Two of the larger cluster, the only one of the smaller; ascending."""
    ranks = {"A": 4, "B": 1, "C": 2, "D": 3}
    assert selected(2, {1: ("A", "B", "C"), 2: ("D",)}, ranks) == ["B", "C", "D"]
    assert selected(1, {1: ("A", "B", "C"), 2: ("D",)}, ranks) == ["B", "D"]


def test_a_small_cluster_gives_what_it_has() -> None:
    """More wanted than there are is no error."""
    assert selected(5, {1: ("A", "B")}, {"A": 1, "B": 2}) == ["A", "B"]


def test_no_cluster_selects_nothing() -> None:
    """An empty selection is a result."""
    assert selected(3, {}, {}) == []


@pytest.mark.property
@given(selections)
def test_payload_and_selection_are_inverse(selection: Selection) -> None:
    """What was recorded is what is read, also with integral numbers as JSON writes them."""
    text = json.dumps(integral_as_int(selection.to_payload()), allow_nan=False)
    assert Selection.from_payload(json.loads(text)) == selection


@pytest.mark.parametrize(
    ("field", "value"), [("features", None), ("selected", "AB"), ("relaxed", True)]
)
def test_foreign_payloads_are_refused(field: str, value: object) -> None:
    """A string is no list of symbols, a boolean no number."""
    empty = Selection("2020-01-01", (), (), (), 0, (), {}, "0" * 64, ())
    payload = empty.to_payload()
    payload[field] = value  # type: ignore[assignment]
    with pytest.raises(TypeError, match="expected"):
        Selection.from_payload(payload)

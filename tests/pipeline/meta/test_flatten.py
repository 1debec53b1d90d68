"""Claims of `pipeline.meta.flatten`."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConfigError
from pipeline.meta.flatten import Contribution, Flattened, FlatWeight, flatten

share = st.floats(-2.0, 2.0)
portfolio = st.dictionaries(st.sampled_from("ABCDE"), share, max_size=5)


def test_one_level_by_hand() -> None:
    """60 % of a sleeve half in A and half in B, 30 % of one all in B; 10 % cash."""
    found = flatten(
        {"x": 0.6, "y": 0.3}, {"x": {"A": 0.5, "B": 0.5}, "y": {"B": 1.0}}, as_of="2024-01-02"
    )
    assert {w.symbol: w.net for w in found.weights} == pytest.approx({"A": 0.3, "B": 0.6})
    assert found.cash == pytest.approx(0.1)
    assert (found.net_total, found.gross_total) == pytest.approx((0.9, 0.9))
    assert found.conserved
    assert found.weights[1].paths == (Contribution("x", 0.6, 0.3), Contribution("y", 0.3, 0.3))


def test_long_and_short_of_one_symbol_net_but_stay_visible() -> None:
    """Accident: longs and shorts of one asset cancelled silently; gross shows both."""
    found = flatten(
        {"long": 0.5, "short": 0.5}, {"long": {"A": 1.0}, "short": {"A": -1.0}}, as_of=None
    )
    (only,) = found.weights
    assert (only.net, only.gross) == (0.0, 1.0)
    assert [path.weight for path in only.paths] == [0.5, -0.5]
    assert (found.net_total, found.gross_total, found.cash) == (0.0, 1.0, 1.0)
    assert found.conserved


def test_short_sleeve_keeps_its_direction() -> None:
    """Accident: a short sleeve produced long positions."""
    found = flatten({"short": 1.0}, {"short": {"A": -0.7, "B": -0.3}}, as_of=None)
    assert [w.net for w in found.weights] == [-0.7, -0.3]
    assert found.cash == 2.0


def test_shorted_sleeve_turns_its_positions() -> None:
    """A negative weight of a short sleeve is a long position."""
    found = flatten({"x": -0.5}, {"x": {"A": -1.0}}, as_of=None)
    assert found.weights == (FlatWeight("A", 0.5, 0.5, (Contribution("x", -0.5, 0.5),)),)
    assert found.conserved


def test_cash_of_sleeves_is_cash_of_the_whole() -> None:
    """A sleeve in cash, because it was liquidated, leaves its weight in cash."""
    found = flatten({"x": 0.5, "y": 0.5}, {"x": {"A": 0.8}, "y": {}}, as_of=None)
    assert found.cash == pytest.approx(0.6)
    assert found.conserved


def test_three_levels_conserve_net_and_gross() -> None:
    """A tree of three levels with the same symbol on each of them, by hand."""
    found = flatten(
        {"top": 0.5, "flat": 0.5},
        {"flat": {"A": 1.0}, "deep": {"A": -1.0, "B": 1.0}, "mid": {"A": 0.2}},
        nested={"top": {"mid": 1.0}, "mid": {"deep": 0.8}},
        as_of=None,
    )
    by_symbol = {w.symbol: w for w in found.weights}
    assert by_symbol["A"].net == pytest.approx(0.5 + 0.1 - 0.4)
    assert by_symbol["A"].gross == pytest.approx(1.0)
    assert by_symbol["B"].net == pytest.approx(0.4)
    paths = [(path.sleeve, path.sleeve_weight) for path in by_symbol["A"].paths]
    assert paths == [("flat", 0.5), ("top/mid", 0.5), ("top/mid/deep", 0.4)]
    assert found.cash == pytest.approx(0.4)
    assert found.conserved


def test_same_sleeve_on_two_branches_is_not_a_cycle() -> None:
    """A sleeve used twice contributes by both paths."""
    found = flatten({"x": 0.5, "y": 0.5}, {"y": {"A": 1.0}}, nested={"x": {"y": 1.0}}, as_of=None)
    assert found.weights[0].net == 1.0
    assert [path.sleeve for path in found.weights[0].paths] == ["x/y", "y"]


@pytest.mark.parametrize(
    ("weights", "nested", "message"),
    [
        pytest.param({"x": 1.0}, {"x": {"x": 1.0}}, "sleeve x contains itself", id="self"),
        pytest.param(
            {"x": 1.0}, {"x": {"y": 1.0}, "y": {"x": 1.0}}, "sleeve x contains itself", id="cycle"
        ),
        pytest.param(
            {"x": 1.0},
            {"x": {"y": 1.0}, "y": {"z": 1.0}, "z": {"leaf": 1.0}},
            "4 levels of sleeves, at most 3",
            id="depth-four",
        ),
        pytest.param({"w": 1.0}, {}, "no portfolio given for sleeve w", id="unknown"),
        pytest.param({"x": 1.0}, {"x": {"w": 1.0}}, "no portfolio given for sleeve w", id="inner"),
    ],
)
def test_malformed_trees_are_refused(
    weights: dict[str, float], nested: dict[str, dict[str, float]], message: str
) -> None:
    """A tree is at most three levels deep, has no cycle, and every sleeve is known."""
    with pytest.raises(ConfigError, match=message):
        flatten(weights, {"leaf": {"A": 1.0}}, nested=nested, as_of=None)


@pytest.mark.property
@given(st.dictionaries(st.sampled_from(["u", "v", "w"]), share, min_size=1), st.data())
def test_weights_are_conserved(sleeves: dict[str, float], data: st.DataObject) -> None:
    """Whatever the signs: net, gross before netting, and net plus cash."""
    portfolios = {name: data.draw(portfolio) for name in sleeves}
    inner = data.draw(portfolio)
    nested = {name: {"inner": data.draw(share)} for name in sleeves}
    found = flatten(sleeves, {**portfolios, "inner": inner}, nested=nested, as_of="2024-01-02")
    assert found.conserved
    assert found.net_total + found.cash == pytest.approx(1.0, abs=1e-9)
    for weight in found.weights:
        assert abs(weight.net) <= weight.gross + 1e-12
        assert weight.net == pytest.approx(sum(path.weight for path in weight.paths), abs=1e-12)
    text = json.dumps(found.to_payload(), allow_nan=False)
    assert Flattened.from_payload(json.loads(text)) == found


def test_lost_path_shows_as_not_conserved() -> None:
    """The totals are computed on two ways, so a dropped symbol cannot hide."""
    found = flatten({"x": 1.0}, {"x": {"A": 0.5, "B": 0.5}}, as_of=None)
    payload = {**found.to_payload(), "net_total": 0.5, "gross_total": 0.5}
    assert not Flattened.from_payload(payload).conserved

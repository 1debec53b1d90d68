"""Claims of `pipeline.rebalance`."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import SimulationParams
from pipeline.errors import DataError
from pipeline.rebalance import RebalanceDecision, Trade, one_way_turnover, rebalance, urgency_of
from pipeline.values import Holdings

if TYPE_CHECKING:
    from pipeline.values import Payload

PARAMS = SimulationParams()
weights = st.dictionaries(
    st.sampled_from("ABCDEF"), st.floats(-2.0, 2.0).filter(lambda w: abs(w) > 1e-3), max_size=6
)


def test_first_purchase_turns_over_the_whole_book() -> None:
    """Buying from cash is a one-way turnover of 1: the cash leg counts like any other."""
    decision = rebalance(Holdings(1000.0, {}), {"A": 0.6, "B": 0.4}, "2024-01-02", PARAMS)
    assert decision.trades == (Trade("A", "buy", 0.6, 600.0), Trade("B", "buy", 0.4, 400.0))
    assert decision.turnover_one_way == 1.0
    assert decision.cash_weight == 1.0
    assert decision.holdings == {}
    assert decision.urgency == "urgent"


def test_drifted_book_is_traded_back() -> None:
    """A book of 550 and 450 is weighed by its values, not by the targets it once had."""
    decision = rebalance(
        Holdings(0.0, {"B": 450.0, "A": 550.0}), {"A": 0.5, "B": 0.5}, "2024-01-02", PARAMS
    )
    assert decision.holdings == {"A": 0.55, "B": 0.45}
    assert [(t.symbol, t.side) for t in decision.trades] == [("A", "sell"), ("B", "buy")]
    assert decision.trades[0].value == pytest.approx(-50.0)
    assert decision.turnover_one_way == pytest.approx(0.05)
    assert decision.urgency == "maintain"


def test_leaver_is_sold() -> None:
    """What is held and not wanted is sold in full."""
    decision = rebalance(Holdings(0.0, {"A": 50.0, "B": 50.0}), {"B": 1.0}, "2024-01-02", PARAMS)
    assert decision.trades == (Trade("A", "sell", -0.5, -50.0), Trade("B", "buy", 0.5, 50.0))
    assert decision.turnover_one_way == 0.5


def test_short_book_is_weighed_by_nav() -> None:
    """A short of 80 against 180 of cash weighs -0.8, and closing it is a purchase."""
    decision = rebalance(Holdings(180.0, {"A": -80.0}), {}, "2024-01-02", PARAMS)
    assert decision.nav == 100.0
    assert decision.cash_weight == 1.8
    assert decision.holdings == {"A": -0.8}
    assert decision.trades == (Trade("A", "buy", 0.8, 80.0),)


def test_book_at_its_targets_trades_nothing() -> None:
    """Differences of rounding are no trades."""
    third = 1.0 / 3.0
    held = {"A": 100.0 * third, "B": 100.0 * third, "C": 100.0 - 200.0 * third}
    decision = rebalance(Holdings(0.0, held), dict.fromkeys("ABC", third), None, PARAMS)
    assert decision.trades == ()
    assert (decision.turnover_one_way, decision.largest_drift) == (0.0, 0.0)
    assert decision.urgency == "maintain"
    assert decision.as_of is None


def test_book_below_the_wealth_floor_wants_nothing() -> None:
    """A book below 1 % of its initial NAV is sold, whatever was asked for."""
    decision = rebalance(Holdings(0.001, {"A": 0.008}), {"B": 1.0}, "2024-01-02", PARAMS)
    assert decision.targets == {}
    assert [(t.symbol, t.side) for t in decision.trades] == [("A", "sell")]


@pytest.mark.parametrize("cash", [0.0, -0.2])
def test_book_without_value_and_positions_stays_in_cash(cash: float) -> None:
    """After a loss of everything there is nothing to trade and nothing to divide by."""
    decision = rebalance(Holdings(cash, {}), {"A": 1.0}, "2024-01-02", PARAMS)
    assert (decision.nav, decision.cash_weight, decision.trades) == (cash, 1.0, ())


def test_positions_without_value_are_refused() -> None:
    """Weights of a book with NAV 0 do not exist."""
    with pytest.raises(DataError, match=r"positions has a NAV of 0\.0"):
        rebalance(Holdings(-1.0, {"A": 1.0}), {"A": 1.0}, "2024-01-02", PARAMS)


@pytest.mark.parametrize("weight", [math.nan, math.inf])
def test_target_that_is_no_number_is_refused(weight: float) -> None:
    """The result of a failed solve never becomes a trade."""
    with pytest.raises(DataError, match="the target weight of A is"):
        rebalance(Holdings(1.0, {}), {"A": weight}, "2024-01-02", PARAMS)


@pytest.mark.parametrize(
    ("turnover", "drift", "expected"),
    [
        (0.10, 0.075, "maintain"),
        (0.1001, 0.0, "rebalance"),
        (0.20, 0.075, "rebalance"),
        (0.2001, 0.0, "urgent"),
        (0.0, 0.0751, "urgent"),
    ],
)
def test_urgency_begins_above_its_limits(turnover: float, drift: float, expected: str) -> None:
    """10 % and 20 % of turnover and 7.5 % of drift are limits, not yet breaches."""
    assert urgency_of(turnover, drift) == expected


@pytest.mark.property
@given(weights, weights, st.floats(-0.5, 2.0))
def test_trades_lead_from_holdings_to_targets(
    held: dict[str, float], targets: dict[str, float], cash: float
) -> None:
    """Holdings plus trades are the targets; turnover is symmetric and bounds every trade."""
    holdings = Holdings(cash, held)
    if holdings.nav < 0.05:
        return
    decision = rebalance(holdings, targets, "2024-01-02", PARAMS)
    after = dict(decision.holdings)
    for trade in decision.trades:
        after[trade.symbol] = after.get(trade.symbol, 0.0) + trade.weight
        assert trade.side == ("buy" if trade.value > 0.0 else "sell")
    for symbol in {*after, *targets}:
        assert after.get(symbol, 0.0) == pytest.approx(targets.get(symbol, 0.0), abs=1e-9)
    assert decision.turnover_one_way >= decision.largest_drift - 1e-12
    assert [t.symbol for t in decision.trades] == sorted(t.symbol for t in decision.trades)
    assert sum(decision.holdings.values()) + decision.cash_weight == pytest.approx(1.0)
    backwards = one_way_turnover([-trade.weight for trade in decision.trades])
    assert backwards == decision.turnover_one_way


@pytest.mark.property
@given(weights, weights)
def test_payload_round_trips_through_json(
    held: dict[str, float], targets: dict[str, float]
) -> None:
    """What was written is what is read, also when integers stand for floats."""
    decision = rebalance(Holdings(20.0, held), targets, "2024-01-02", PARAMS)
    text = json.dumps(decision.to_payload(), allow_nan=False)
    assert RebalanceDecision.from_payload(json.loads(text)) == decision
    assert RebalanceDecision.from_payload(cast("Payload", _integral(json.loads(text)))) == decision


def _integral(value: object) -> object:
    """Return `value` with whole floats as integers, as the ledger hands them back."""
    if isinstance(value, dict):
        return {key: _integral(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_integral(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value

"""Claims of `pipeline.simulation.simulators.vectorized`: the accidents first, then the rules."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import SimulationParams
from pipeline.errors import DataError
from pipeline.rebalance import rebalance
from pipeline.simulation.metrics import max_drawdown
from pipeline.simulation.simulators.base import MissingBar, Simulated
from pipeline.simulation.simulators.vectorized import simulate
from pipeline.values import Holdings, Panel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.simulation.simulators.base import Simulator

FREE = SimulationParams(slippage_bps=0.0, commission_bps=0.0)
COSTLY = SimulationParams()
RATE = 0.0006
HOLE = math.nan


def _panel(first: str = "2024-01-01", **closes: Sequence[float]) -> Panel:
    rows = len(next(iter(closes.values())))
    symbols = sorted(closes)
    return Panel.of(
        np.datetime64(first) + np.arange(rows),
        symbols,
        np.column_stack([closes[s] for s in symbols]),
    )


def _cash(nav: float = 1.0) -> Holdings:
    return Holdings(nav, {})


def _chain(
    panel: Panel, weights: Sequence[Mapping[str, float]], days: int, params: SimulationParams
) -> list[Simulated]:
    """Simulate consecutive windows of `days`, each carrying what the one before held."""
    found: list[Simulated] = []
    holdings, liquidated_at = _cash(), None
    for i, targets in enumerate(weights):
        rows = panel.rows(i * days, (i + 1) * days + 1)
        found.append(
            simulate(rows, holdings, targets, params, initial_nav=1.0, liquidated_at=liquidated_at)
        )
        holdings, liquidated_at = found[-1].holdings_end, found[-1].liquidated_at
    return found


def test_vectorized_is_a_simulator() -> None:
    """The function has the signature every simulator has."""
    simulator: Simulator = simulate
    assert simulator is simulate


# --------------------------------------------------------------------------- accidents


def test_all_short_book_loses_when_its_asset_rises() -> None:
    """Accident: net-sum normalisation turned a short book long after one day.

    Shorting 100 % of an asset that gains 10 % a day loses 10 %, then 0.11 / 0.9, and so on; NAV
    falls every day until the floor ends it, and never rises.
    """
    panel = _panel(A=[100.0 * 1.1**t for t in range(21)])
    found = simulate(panel, _cash(), {"A": -1.0}, FREE, initial_nav=1.0)
    assert found.gross_returns[0] == pytest.approx(-0.1)
    assert found.gross_returns[1] == pytest.approx(-0.11 / 0.9)
    assert found.nav[:7] == pytest.approx([2.0 - 1.1**t for t in range(1, 8)])
    assert found.liquidated_at == "2024-01-09"
    end = found.dates.index("2024-01-09")
    path = (1.0, *found.nav)
    assert all(a > b for a, b in pairwise(path[: end + 2]))
    assert found.nav[end:] == (found.nav[end],) * (20 - end)
    assert found.net_returns[end + 1 :] == (0.0,) * (19 - end)
    assert found.holdings_end.positions == {}


def test_short_book_falls_to_the_floor_over_windows_of_daily_targets() -> None:
    """Rebalanced daily the short never jumps over zero: -5 % a day down to 1 %, then cash."""
    params = SimulationParams(rebalance="daily")
    panel = _panel(A=[100.0 * 1.05**t for t in range(121)])
    found = _chain(panel, [{"A": -1.0}] * 12, 10, params)
    path = [1.0, *(nav for window in found for nav in window.nav)]
    liquidated = found[-1].liquidated_at
    assert liquidated is not None
    end = 1 + [day for window in found for day in window.dates].index(liquidated)
    assert all(a > b for a, b in pairwise(path[: end + 1]))
    assert path[end - 1] >= 0.01 > path[end] > 0.009
    assert set(path[end:]) == {path[end]}


def test_dollar_neutral_book_equals_the_hand_calculation() -> None:
    """Accident: -50 % A and +50 % B with +2 % and +1 % a day once returned +103 % on day two.

    Day one: -0.5 * 0.02 + 0.5 * 0.01 = -0.005. Day two: positions -0.51 and 0.505 on a NAV of
    0.995 give (-0.0102 + 0.00505) / 0.995.
    """
    panel = _panel(A=[100.0, 102.0, 104.04], B=[50.0, 50.5, 51.005])
    found = simulate(panel, _cash(), {"A": -0.5, "B": 0.5}, FREE, initial_nav=1.0)
    assert found.net_returns == pytest.approx((-0.005, -0.00515 / 0.995))
    assert found.nav == pytest.approx((0.995, 0.98985))
    assert found.holdings_end.cash == 1.0
    assert found.holdings_end.positions == pytest.approx({"A": -0.5202, "B": 0.51005})


def test_nav_is_continuous_over_changes_of_the_universe_and_exits_cost() -> None:
    """Accident: symbols that left the universe took their value along.

    Each window holds other symbols; NAV at its start is NAV at the end of the one before, bit for
    bit, and every sale is charged.
    """
    rng = np.random.Generator(np.random.PCG64(7))
    closes = 100.0 * np.cumprod(1.0 + rng.normal(0.0, 0.01, (31, 4)), axis=0)
    panel = _panel(**{s: closes[:, i].tolist() for i, s in enumerate("ABCD")})
    targets = [{"A": 0.5, "B": 0.5}, {"B": 0.3, "C": 0.7}, {"D": 1.0}]
    first, second, third = _chain(panel, targets, 10, COSTLY)
    for before, after in ((first, second), (second, third)):
        assert after.nav_start == before.nav_end == before.nav[-1] == before.holdings_end.nav
    assert (first.leavers, second.leavers, third.leavers) == ((), ("A",), ("B", "C"))
    assert third.turnover_one_way == pytest.approx(1.0, abs=1e-3)
    assert third.costs[0] == pytest.approx(2.0 * RATE, abs=1e-6)
    assert set(third.holdings_end.positions) == {"D"}


def test_first_day_loss_shows_in_the_drawdown() -> None:
    """Accident: a fall on the first day was no drawdown, because no peak stood before it."""
    found = simulate(_panel(A=[100.0, 80.0, 90.0]), _cash(), {"A": 1.0}, FREE, initial_nav=1.0)
    assert max_drawdown(found.net_returns) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("weight", "closes", "nav"),
    [
        pytest.param(-1.0, [100.0, 200.0, 50.0], 0.0, id="short-of-an-asset-that-doubles"),
        pytest.param(2.0, [100.0, 50.0, 500.0], 0.0, id="twice-long-an-asset-that-halves"),
        pytest.param(-1.0, [100.0, 250.0, 1.0], -0.5, id="loss-of-more-than-everything"),
        pytest.param(1.0, [100.0, 1e-9, 100.0], 1e-11, id="loss-of-all-but-nothing"),
    ],
)
def test_book_that_loses_everything_is_liquidated(
    weight: float, closes: list[float], nav: float
) -> None:
    """Accident: after -100 % the book went on, with NaN or with gains on nothing."""
    found = simulate(_panel(A=closes), _cash(), {"A": weight}, FREE, initial_nav=1.0)
    assert found.liquidated_at == "2024-01-02"
    assert found.nav == pytest.approx((nav, nav), abs=1e-15)
    assert found.net_returns == pytest.approx((nav - 1.0, 0.0), abs=1e-15)
    assert found.holdings_end.positions == {}
    text = json.dumps(found.to_payload(), allow_nan=False)
    later = simulate(
        _panel(A=[1.0, 2.0, 4.0]),
        Simulated.from_payload(json.loads(text)).holdings_end,
        {"A": 1.0},
        COSTLY,
        initial_nav=1.0,
        liquidated_at=found.liquidated_at,
    )
    assert later.net_returns == later.gross_returns == later.costs == (0.0, 0.0)
    assert later.nav == (found.nav_end,) * 2
    assert (later.liquidated_at, later.turnover_one_way) == ("2024-01-02", 0.0)


# --------------------------------------------------------------------------- accounting


def test_costs_of_the_first_trade_reduce_the_first_return() -> None:
    """Buying a whole book costs 5 + 1 bps of it, on the first test day."""
    found = simulate(
        _panel(A=[100.0, 110.0, 110.0]), _cash(50.0), {"A": 1.0}, COSTLY, initial_nav=50
    )
    assert found.gross_returns == pytest.approx((0.1, 0.0))
    assert found.costs == pytest.approx((RATE, 0.0))
    assert found.net_returns == (found.gross_returns[0] - found.costs[0], 0.0)
    assert found.nav == pytest.approx((54.97, 54.97))
    assert found.holdings_end.cash == pytest.approx(-0.03)
    assert (found.slippage_cost, found.commission_cost) == pytest.approx((0.0005, 0.0001))
    assert found.turnover_one_way == 1.0


def test_book_at_its_targets_is_not_charged() -> None:
    """No trade, no cost, no turnover."""
    holdings = Holdings(0.5, {"A": 0.5})
    found = simulate(_panel(A=[100.0, 101.0]), holdings, {"A": 0.5}, COSTLY, initial_nav=1.0)
    assert (found.costs, found.turnover_one_way) == ((0.0,), 0.0)


def test_window_mode_drifts_and_daily_mode_restores() -> None:
    """After A doubles, half A half B becomes two thirds A; `daily` sells it back each evening.

    Window: (1 + 0.5) then A falls by half, back to 1. Daily: 1.5, sold to 0.75 each, 0.375 + 0.75.
    """
    panel = _panel(A=[1.0, 2.0, 1.0], B=[1.0, 1.0, 1.0])
    targets = {"A": 0.5, "B": 0.5}
    drifting = simulate(panel, _cash(), targets, FREE, initial_nav=1.0)
    restored = simulate(
        panel, _cash(), targets, FREE.model_copy(update={"rebalance": "daily"}), initial_nav=1.0
    )
    assert drifting.nav == (1.5, 1.0)
    assert drifting.turnover_one_way == 1.0
    assert restored.nav == (1.5, 1.125)
    assert restored.turnover_one_way == pytest.approx(1.0 + 0.25 / 1.5)


def test_daily_costs_fall_on_the_day_after_the_trade() -> None:
    """A trade at a close belongs to the day that begins there; the last close trades nothing."""
    panel = _panel(A=[1.0, 2.0, 2.0, 4.0], B=[1.0, 1.0, 1.0, 1.0])
    params = SimulationParams(rebalance="daily")
    found = simulate(panel, _cash(), {"A": 0.5, "B": 0.5}, params, initial_nav=1.0)
    assert found.costs[0] == pytest.approx(RATE)
    assert found.costs[1] == pytest.approx(RATE * 0.5 / 1.5, rel=1e-3)
    assert found.costs[2] == pytest.approx(0.0, abs=1e-6)
    assert found.holdings_end.positions["A"] > found.holdings_end.positions["B"]


def test_liquidation_is_charged_on_its_day() -> None:
    """The book ends the day in cash, after the cost of selling, and the next day starts there."""
    found = simulate(_panel(A=[1.0, 0.005, 1.0]), _cash(), {"A": 1.0}, COSTLY, initial_nav=1.0)
    kept = 0.005 - RATE - 0.005 * RATE
    assert found.nav == pytest.approx((kept, kept))
    assert found.costs == pytest.approx((RATE + 0.005 * RATE, 0.0))
    assert found.turnover_one_way == pytest.approx(1.005)
    assert found.holdings_end == Holdings(found.nav_end, {})


def test_floor_is_a_share_of_the_initial_nav() -> None:
    """1 % of what the walk-forward began with, not of what this window began with."""
    panel = _panel(A=[100.0, 90.0])
    kept = simulate(panel, _cash(5.0), {"A": 1.0}, FREE, initial_nav=100.0)
    ended = simulate(panel, _cash(5.0), {"A": 1.0}, FREE, initial_nav=460.0)
    assert kept.liquidated_at is None
    assert ended.liquidated_at == "2024-01-02"


def test_book_carried_in_below_the_floor_is_sold_at_once() -> None:
    """The flag of the window before is not needed: a book below the floor stays below it."""
    holdings = Holdings(0.0, {"A": 0.005})
    found = simulate(_panel(A=[1.0, 3.0]), holdings, {"A": 1.0}, COSTLY, initial_nav=1.0)
    assert found.liquidated_at == "2024-01-01"
    assert found.net_returns == pytest.approx((-RATE,))
    assert (found.leavers, found.holdings_end.positions) == ((), {})


def test_turnover_agrees_with_the_rebalance_decision() -> None:
    """The trade that was recorded is the trade that is simulated."""
    holdings = Holdings(0.2, {"A": 0.5, "B": -0.3, "C": 0.6})
    targets = {"A": 0.1, "B": 0.4, "D": -0.2}
    panel = _panel(A=[1.0, 1.0], B=[1.0, 1.0], C=[1.0, 1.0], D=[1.0, 1.0])
    found = simulate(panel, holdings, targets, COSTLY, initial_nav=1.0)
    decided = rebalance(holdings, targets, "2024-01-01", COSTLY)
    assert found.turnover_one_way == pytest.approx(decided.turnover_one_way, abs=1e-15)
    traded = sum(abs(trade.weight) for trade in decided.trades)
    assert found.costs[0] == pytest.approx(RATE * traded)


# --------------------------------------------------------------------------- holes


def test_return_compounds_over_a_hole() -> None:
    """Without a bar a position keeps its value; the next close takes the whole way."""
    panel = _panel(A=[100.0, HOLE, HOLE, 121.0], B=[1.0, 1.0, 1.0, 1.0])
    found = simulate(panel, _cash(), {"A": 0.5, "B": 0.5}, FREE, initial_nav=1.0)
    assert found.gross_returns == pytest.approx((0.0, 0.0, 0.105))
    assert found.missing_bars == (MissingBar("2024-01-02", "A"), MissingBar("2024-01-03", "A"))


def test_holes_of_symbols_neither_held_nor_wanted_are_not_reported() -> None:
    """A column of the snapshot that the book never touches is none of its business."""
    panel = _panel(A=[1.0, 1.0], Z=[HOLE, 0.0])
    found = simulate(panel, _cash(), {"A": 1.0}, FREE, initial_nav=1.0)
    assert found.missing_bars == ()


def test_target_without_a_bar_on_the_decision_date_stays_in_cash() -> None:
    """What cannot be bought is not bought later in the window, and the record says so."""
    panel = _panel(A=[HOLE, 100.0, 200.0], B=[1.0, 1.0, 1.0])
    found = simulate(panel, _cash(), {"A": 0.5, "B": 0.5}, FREE, initial_nav=1.0)
    assert found.net_returns == (0.0, 0.0)
    assert found.holdings_end == Holdings(0.5, {"B": 0.5})
    assert found.missing_bars == (MissingBar("2024-01-01", "A"),)
    assert found.turnover_one_way == 0.5


def test_daily_mode_buys_at_the_first_close() -> None:
    """Rebalanced daily, the missing target is bought at the first close it has."""
    panel = _panel(A=[HOLE, 100.0, 200.0], B=[1.0, 1.0, 1.0])
    params = FREE.model_copy(update={"rebalance": "daily"})
    found = simulate(panel, _cash(), {"A": 0.5, "B": 0.5}, params, initial_nav=1.0)
    assert found.net_returns == pytest.approx((0.0, 0.5))


def test_position_without_a_bar_on_the_decision_date_is_carried() -> None:
    """A held symbol that cannot be traded keeps its position beside the other targets."""
    panel = _panel(A=[100.0, HOLE, 110.0], B=[1.0, 1.0, 1.0])
    found = simulate(
        panel,
        Holdings(0.0, {"A": 1.0}),
        {"A": 0.4, "B": 0.5},
        FREE,
        initial_nav=1.0,
        as_of="2024-01-02",
    )
    assert found.dates == ("2024-01-03",)
    assert found.gross_returns == pytest.approx((0.1,))
    assert found.holdings_end.cash == pytest.approx(-0.5)
    assert found.holdings_end.positions == pytest.approx({"A": 1.1, "B": 0.5})
    assert found.missing_bars == (MissingBar("2024-01-02", "A"),)


def test_position_that_cannot_be_valued_is_an_error() -> None:
    """A close after a hole without the close before it has no return; none is made up."""
    panel = _panel(A=[HOLE, 110.0])
    with pytest.raises(DataError, match="A is held and has closes in the window") as error:
        simulate(panel, Holdings(0.0, {"A": 1.0}), {"A": 1.0}, FREE, initial_nav=1.0)
    assert "earlier rows" in error.value.fix


def test_symbol_whose_bars_ended_is_carried_and_then_sold_at_its_last_value() -> None:
    """Ended bars neither lose the value nor keep it for ever: the exit is charged and recorded."""
    panel = _panel(A=[100.0, 110.0, *[HOLE] * 3], B=[1.0] * 5)
    first, second = _chain(panel, [{"A": 0.5, "B": 0.5}, {"B": 1.0}], 2, COSTLY)
    assert first.nav[0] == first.nav[1] == pytest.approx(1.05 - RATE)
    assert first.missing_bars == (MissingBar("2024-01-03", "A"),)
    assert second.nav_start == first.nav_end
    assert second.leavers == ("A",)
    assert second.missing_bars == (MissingBar("2024-01-03", "A"),)
    assert set(second.holdings_end.positions) == {"B"}
    assert second.nav_end == pytest.approx(first.nav_end - RATE * 1.1, abs=1e-6)


def test_rows_before_the_decision_date_change_nothing_else() -> None:
    """History in the panel only gives last closes."""
    rng = np.random.Generator(np.random.PCG64(3))
    closes = 100.0 * np.cumprod(1.0 + rng.normal(0.0, 0.01, (20, 2)), axis=0)
    panel = _panel(A=closes[:, 0].tolist(), B=closes[:, 1].tolist())
    targets = {"A": 0.7, "B": 0.3}
    whole = simulate(panel, _cash(), targets, COSTLY, initial_nav=1.0, as_of="2024-01-11")
    assert whole == simulate(panel.rows(10, 20), _cash(), targets, COSTLY, initial_nav=1.0)


# --------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("close", [0.0, -1.0, math.inf])
def test_close_that_is_no_price_is_refused(close: float) -> None:
    """Zero is not a price: a return of -100 % from bad data would end the book."""
    with pytest.raises(DataError, match="expected a positive finite number") as error:
        simulate(_panel(A=[1.0, close, 1.0]), _cash(), {"A": 1.0}, FREE, initial_nav=1.0)
    assert error.value.where == "A on 2024-01-02"


@pytest.mark.parametrize(
    ("holdings", "targets"),
    [({"B": 1.0}, {"A": 1.0}), ({}, {"B": 1.0}), ({}, {"A": 0.5, "0": 0.5})],
)
def test_missing_column_is_refused(holdings: dict[str, float], targets: dict[str, float]) -> None:
    """A lost column would be lost wealth."""
    with pytest.raises(DataError, match="no column for"):
        simulate(_panel(A=[1.0, 1.0]), Holdings(1.0, holdings), targets, FREE, initial_nav=1.0)


def test_decision_date_outside_the_panel_is_refused() -> None:
    """A date between two rows has no closes to trade at."""
    with pytest.raises(DataError, match="2024-02-01 is not a row"):
        simulate(_panel(A=[1.0, 1.0]), _cash(), {}, FREE, initial_nav=1.0, as_of="2024-02-01")


def test_panel_without_a_test_day_is_refused() -> None:
    """One row is a decision without a future to simulate."""
    with pytest.raises(DataError, match="no row after the decision date"):
        simulate(_panel(A=[1.0]), _cash(), {"A": 1.0}, FREE, initial_nav=1.0)


def test_target_that_is_no_number_is_refused() -> None:
    """NaN never reaches the accounting."""
    with pytest.raises(DataError, match="target weight of A is nan"):
        simulate(_panel(A=[1.0, 1.0]), _cash(), {"A": math.nan}, FREE, initial_nav=1.0)


def test_positions_without_value_are_refused() -> None:
    """A book with positions and no NAV should have been liquidated when it got there."""
    with pytest.raises(DataError, match=r"positions has a NAV of 0\.0"):
        simulate(_panel(A=[1.0, 1.0]), Holdings(-1.0, {"A": 1.0}), {}, FREE, initial_nav=1.0)


# --------------------------------------------------------------------------- laws

SYMBOLS = ("A", "B", "C")
changes = st.lists(st.tuples(*[st.floats(-0.6, 1.5)] * len(SYMBOLS)), min_size=4, max_size=12)
signed = st.dictionaries(st.sampled_from(SYMBOLS), st.floats(-1.5, 1.5), max_size=3)
modes = st.sampled_from(["window", "daily"])


def _market(moves: list[tuple[float, ...]]) -> Panel:
    closes = 100.0 * np.cumprod(1.0 + np.array([(0.0,) * len(SYMBOLS), *moves]), axis=0)
    return _panel(**{s: closes[:, i].tolist() for i, s in enumerate(SYMBOLS)})


@pytest.mark.property
@settings(deadline=None)
@given(changes, signed, signed, modes)
def test_wealth_is_conserved(
    moves: list[tuple[float, ...]], first: dict[str, float], second: dict[str, float], mode: str
) -> None:
    """Whatever the book and the market: finite, continuous, net = gross - cost, cash once broke."""
    params = COSTLY.model_copy(update={"rebalance": mode})
    days = len(moves) // 2
    for window in (found := _chain(_market(moves), [first, second], days, params)):
        assert json.dumps(window.to_payload(), allow_nan=False)
        pairs = zip(window.gross_returns, window.costs, strict=True)
        assert window.net_returns == tuple(gross - cost for gross, cost in pairs)
        starts = (window.nav_start, *window.nav)
        for start, net, end in zip(starts, window.net_returns, window.nav, strict=False):
            assert start * (1.0 + net) == pytest.approx(end, rel=1e-9, abs=1e-12)
        assert window.holdings_end.nav == window.nav_end == window.nav[-1]
        if window.liquidated_at is not None:
            assert window.holdings_end.positions == {}
        else:
            assert min(window.nav) >= 0.01
    assert found[1].nav_start == found[0].nav_end
    if found[0].liquidated_at:
        assert found[1].liquidated_at == found[0].liquidated_at
        assert set(found[1].nav) == {found[0].nav_end}


@pytest.mark.property
@settings(deadline=None)
@given(changes, signed, modes)
def test_window_equals_a_share_by_share_account(
    moves: list[tuple[float, ...]], targets: dict[str, float], mode: str
) -> None:
    """A second implementation that counts shares instead of values gives the same NAVs."""
    panel = _market(moves)
    params = COSTLY.model_copy(update={"rebalance": mode})
    found = simulate(panel, _cash(), targets, params, initial_nav=1.0)
    assert found.nav == pytest.approx(_shares(panel, targets, daily=mode == "daily"), rel=1e-9)


def _shares(panel: Panel, targets: Mapping[str, float], *, daily: bool) -> list[float]:
    """Return NAVs of a book that holds numbers of shares, liquidated below 1 %."""
    cash, shares, broke, path = 1.0, dict.fromkeys(SYMBOLS, 0.0), False, []

    def trade(wanted: Mapping[str, float], prices: Mapping[str, float], cash: float) -> float:
        for symbol in SYMBOLS:
            change = wanted.get(symbol, 0.0) / prices[symbol] - shares[symbol]
            shares[symbol] += change
            cash -= change * prices[symbol] + RATE * abs(change) * prices[symbol]
        return cash

    for row in range(len(panel.dates) - 1):
        prices = dict(zip(SYMBOLS, panel.closes[row].tolist(), strict=True))
        nav = cash + sum(shares[s] * prices[s] for s in SYMBOLS)
        if not broke and (row == 0 or daily):
            cash = trade({s: w * nav for s, w in targets.items()}, prices, cash)
        prices = dict(zip(SYMBOLS, panel.closes[row + 1].tolist(), strict=True))
        nav = cash + sum(shares[s] * prices[s] for s in SYMBOLS)
        if not broke and nav < 0.01:
            broke, cash = True, trade({}, prices, cash)
            nav = cash
        path.append(nav)
    return path


@pytest.mark.property
@settings(deadline=None)
@given(changes, signed, st.integers(1, 3))
def test_past_days_do_not_depend_on_later_ones(
    moves: list[tuple[float, ...]], targets: dict[str, float], cut: int
) -> None:
    """Truncating the future changes no past number."""
    panel = _market(moves)
    whole = simulate(panel, _cash(), targets, COSTLY, initial_nav=1.0)
    short = simulate(
        panel.rows(0, len(panel.dates) - cut), _cash(), targets, COSTLY, initial_nav=1.0
    )
    assert short.nav == whole.nav[: len(short.nav)]
    assert short.net_returns == whole.net_returns[: len(short.nav)]


def test_payload_round_trips_through_json() -> None:
    """What was written is what is read, and dates frame the window."""
    panel = _panel(A=[100.0, HOLE, 50.0], B=[1.0, 1.0, 1.0])
    found = simulate(panel, Holdings(0.0, {"B": 1.0}), {"A": 1.0}, COSTLY, initial_nav=1.0)
    payload = found.to_payload()
    assert (payload["first_date"], payload["last_date"]) == ("2024-01-02", "2024-01-03")
    assert Simulated.from_payload(json.loads(json.dumps(payload, allow_nan=False))) == found

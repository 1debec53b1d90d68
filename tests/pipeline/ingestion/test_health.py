"""Statuses, their order, and the gate."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import DataParams
from pipeline.ingestion.calendars import open_calendar
from pipeline.ingestion.health import STATUSES, HealthReport, assess
from pipeline.values import Panel

if TYPE_CHECKING:
    from pipeline.ingestion.health import SymbolHealth

XNYS = open_calendar("XNYS")
ALWAYS = open_calendar("24x7")
SESSIONS = XNYS.sessions("2023-01-03", "2023-12-29")  # 250 sessions
AS_OF = SESSIONS[-1]
PARAMS = DataParams(lookback_days=250, floor_days=100)


def prices(rows: int = len(SESSIONS), seed: int = 0) -> np.ndarray:
    """Return a price that moves by about one percent a day."""
    moves = np.random.Generator(np.random.PCG64(seed)).normal(0.0, 0.01, rows)
    return 100.0 * np.exp(np.cumsum(moves))


def report(
    params: DataParams = PARAMS, as_of: object = AS_OF, **columns: np.ndarray
) -> HealthReport:
    """Assess symbols on the sessions of 2023; a good one is always among them."""
    columns = {"GOOD": prices(seed=1), "ZGOOD": prices(seed=2), **columns}
    closes = np.column_stack([columns[name] for name in sorted(columns)])
    return assess(Panel.of(SESSIONS, sorted(columns), closes), as_of, XNYS, params)


def without(*rows: int | slice) -> np.ndarray:
    """Return a price that lacks these rows."""
    found = prices()
    for row in rows:
        found[row] = np.nan
    return found


def only(found: HealthReport, symbol: str = "A") -> SymbolHealth:
    """Return the row of one symbol."""
    return next(row for row in found.rows if row.symbol == symbol)


def test_complete_symbol_is_ok_without_a_remark() -> None:
    """Nothing to say about a symbol with a bar on every session."""
    row = only(report(A=prices()))
    assert (row.status, row.reasons) == ("ok", ())
    assert (row.bars, row.expected, row.missing, row.stale) == (250, 250, 0, 0)
    assert row.last_date == "2023-12-29"
    assert row.deviation == pytest.approx(0.01, rel=0.15)


def test_symbol_without_bars_is_missing() -> None:
    """Listed after the decision date, or never delivered: not stale, not degraded."""
    row = only(report(A=np.full(250, np.nan)))
    assert (row.status, row.bars, row.last_date, row.stale) == ("missing", 0, None, None)
    assert row.reasons == ("no bar in the lookback up to 2023-12-29",)


@pytest.mark.parametrize(("first", "status"), [(150, "ok"), (151, "dropped"), (249, "dropped")])
def test_symbol_needs_the_floor_of_bars(first: int, status: str) -> None:
    """100 bars are enough, 99 are not; the sessions before its first bar do not count."""
    row = only(report(A=without(slice(0, first))))
    assert row.status == status
    assert row.missing == 0
    assert row.expected == row.bars == 250 - first


def test_hole_of_one_session_is_tolerated_and_reported() -> None:
    """Vendors lack a session now and then."""
    row = only(report(A=without(100)))
    assert (row.status, row.missing, row.largest_gap, row.tolerated) == ("ok", 1, 1, 1)
    assert row.reasons == ("1 sessions missing in holes of at most 1, tolerated",)


def test_hole_of_two_sessions_is_degraded() -> None:
    """One session more than tolerated."""
    row = only(report(A=without(100, 101)))
    assert (row.status, row.missing, row.largest_gap, row.tolerated) == ("degraded", 2, 2, 0)
    assert row.reasons == ("1 holes of more than 1 sessions, the longest of 2",)


def test_weekends_and_holidays_are_no_holes() -> None:
    """Thanksgiving lies between two bars, and nothing is missing."""
    before = int(np.searchsorted(SESSIONS, np.datetime64("2023-11-22")))
    assert str(SESSIONS[before + 1]) == "2023-11-24"
    assert only(report(A=prices())).missing == 0


def test_ten_separate_holes_exceed_the_total() -> None:
    """Each is tolerated alone; together they are 4 % of 250 sessions."""
    row = only(report(A=without(*range(20, 220, 20))))
    assert (row.status, row.missing, row.largest_gap, row.tolerated) == ("degraded", 10, 1, 10)
    assert row.reasons[0] == "10 of 250 sessions missing, tolerated_total_pct 2"


def test_total_that_equals_the_limit_is_tolerated() -> None:
    """5 of 250 sessions are exactly 2 %."""
    assert only(report(A=without(*range(20, 120, 20)))).status == "ok"
    assert only(report(A=without(*range(20, 140, 20)))).status == "degraded"


def test_market_that_never_closes_tolerates_no_hole() -> None:
    """One missing day of a 24x7 market is a hole."""
    days = ALWAYS.sessions("2023-01-01", "2023-12-31")
    closes = np.column_stack([prices(365, seed) for seed in range(3)])
    closes[100, 0] = np.nan
    found = assess(Panel.of(days, ["A", "B", "C"], closes), days[-1], ALWAYS, PARAMS)
    assert [row.status for row in found.rows] == ["degraded", "ok", "ok"]
    assert found.rows[0].reasons[0] == "1 holes of more than 0 sessions, the longest of 1"


@pytest.mark.parametrize(
    ("lost", "status", "stale"), [(0, "ok", 0), (1, "ok", 1), (2, "stale", 2), (20, "stale", 20)]
)
def test_symbol_is_stale_by_sessions(lost: int, status: str, stale: int) -> None:
    """One session may pass since the last bar, two may not."""
    row = only(report(A=without(slice(250 - lost, 250)) if lost else prices()))
    assert (row.status, row.stale, row.missing) == (status, stale, 0)


def test_weekend_since_the_last_bar_is_closed() -> None:
    """2023-12-31 is a Sunday: the last bar is two days old and no session lies between."""
    found = report(as_of=np.datetime64("2023-12-31"), A=prices())
    assert {row.status for row in found.rows} == {"closed"}
    assert found.usable == ("A", "GOOD", "ZGOOD")
    assert found.gate == "open"
    assert only(found).reasons == ("last bar on 2023-12-29, no session of XNYS since",)


@pytest.mark.parametrize("growth", [1.0, 1.001])
def test_price_without_variance_is_dropped(growth: float) -> None:
    """A constant price, and one that grows by the same share every day."""
    row = only(report(A=100.0 * growth ** np.arange(250)))
    assert row.status == "dropped"
    assert row.reasons[0].startswith("standard deviation of returns")
    assert row.reasons[0].endswith("zero_variance_limit 1e-09")


def test_days_with_the_same_price_are_bars() -> None:
    """A return of exactly zero is never taken for a hole."""
    flat = prices()
    flat[50:60] = flat[50]
    row = only(report(A=flat))
    assert (row.status, row.missing) == ("ok", 0)


@pytest.mark.parametrize(("factor", "status"), [(5.9, "ok"), (6.1, "degraded")])
def test_return_beyond_the_limit_is_degraded(factor: float, status: str) -> None:
    """Another symbol's candles in the file show as an impossible return."""
    jumped = np.full(250, 1.0) * (1.0 + 0.001 * (np.arange(250) % 2))
    jumped[200:] *= factor
    assert only(report(A=jumped)).status == status


def test_bars_on_days_that_are_no_session_are_reported() -> None:
    """They fill no hole and are no fault of the symbol."""
    days = np.sort(np.append(SESSIONS, np.datetime64("2023-07-04")))
    closes = np.column_stack([prices(251), prices(251, 1)])
    holiday = int(np.searchsorted(days, np.datetime64("2023-07-04")))
    closes[holiday, 1] = np.nan
    closes[[holiday - 1, holiday + 1], 0] = np.nan
    found = assess(Panel.of(days, ["A", "B"], closes), AS_OF, XNYS, PARAMS)
    first, second = found.rows
    assert (first.bars, first.expected, first.missing, first.largest_gap) == (249, 250, 2, 2)
    assert first.status == "degraded"
    assert first.reasons[-1] == "1 bars on days that are no session of XNYS"
    assert (second.status, second.reasons) == ("ok", ())


def test_symbol_that_lacks_most_bars_cannot_pass_as_not_listed() -> None:
    """Below the floor through holes or an end is degraded or stale, and closes the gate."""
    holes = report(A=without(slice(40, 200)))
    ended = report(A=without(slice(90, 250)))
    assert (only(holes).status, holes.gate) == ("degraded", "closed")
    assert (only(ended).status, ended.gate) == ("stale", "closed")
    assert "90 bars in 250 sessions, floor_days 100" in only(ended).reasons


def test_floor_missed_by_a_tolerated_hole_is_dropped() -> None:
    """Listed for exactly the floor, with one session missing."""
    found = report(A=without(slice(0, 150), 200))
    assert only(found).status == "dropped"
    assert found.gate == "open"


@pytest.mark.parametrize(
    ("column", "strict", "gate"),
    [
        (prices(), True, "open"),
        (np.full(250, np.nan), True, "open"),
        (without(slice(0, 200)), True, "open"),
        (np.full(250, 5.0), True, "open"),
        (without(100, 101), True, "closed"),
        (without(100, 101), False, "open"),
        (without(slice(240, 250)), True, "closed"),
        (without(slice(240, 250)), False, "open"),
    ],
)
def test_gate_closes_for_symbols_that_would_be_used(
    column: np.ndarray,
    strict: bool,  # noqa: FBT001 - a case
    gate: str,
) -> None:
    """Not listed yet does not close it; stale and degraded do, when strict."""
    found = report(PARAMS.model_copy(update={"strict_health": strict}), A=column)
    assert found.gate == gate


@pytest.mark.parametrize("strict", [True, False])
def test_gate_closes_when_fewer_than_two_symbols_are_usable(
    strict: bool,  # noqa: FBT001 - a case
) -> None:
    """There is nothing to weigh, strict or not."""
    params = PARAMS.model_copy(update={"strict_health": strict})
    closes = np.column_stack([prices(), np.full(250, np.nan)])
    assert assess(Panel.of(SESSIONS, ["A", "B"], closes), AS_OF, XNYS, params).gate == "closed"


def test_early_history_has_fewer_rows_than_the_lookback() -> None:
    """The floor counts, not the lookback."""
    panel = Panel.of(SESSIONS[:100], ["A", "B"], np.column_stack([prices(100), prices(100, 1)]))
    assert assess(panel, SESSIONS[99], XNYS, PARAMS).usable == ("A", "B")
    first = assess(panel.rows(0, 99), SESSIONS[98], XNYS, PARAMS)
    assert first.counts["dropped"] == 2
    assert first.gate == "closed"


def test_rows_after_the_decision_date_are_refused() -> None:
    """Invariant 1: a report cannot see the future."""
    with pytest.raises(ValueError, match="up to the decision date 2023-12-28"):
        report(as_of=SESSIONS[-2])
    with pytest.raises(ValueError, match="no row"):
        assess(Panel.of([], ["A"], np.empty((0, 1))), AS_OF, XNYS, PARAMS)


def test_payload_has_the_documented_fields() -> None:
    """The payload of `assess` as the page on records says."""
    payload = report(A=without(100)).to_payload()
    assert list(payload) == ["as_of", "strict", "gate", "counts", "symbols"]
    assert payload["counts"] == {**dict.fromkeys(STATUSES, 0), "ok": 3}
    row = cast("list[dict[str, object]]", payload["symbols"])[0]
    assert list(row) == [
        "symbol", "status", "bars", "expected", "missing", "largest_gap", "tolerated",
        "last_date", "stale", "deviation", "largest_return", "reasons",
    ]  # fmt: skip


@pytest.mark.property
@given(st.lists(st.sampled_from([np.nan, 1.0, 2.0, 11.0]), min_size=250, max_size=250))
def test_report_survives_its_payload(closes: list[float]) -> None:
    """JSON gives integral floats back as integers; the report is the same."""
    found = report(PARAMS.model_copy(update={"return_limit": 20.0}), A=np.array(closes))
    payload = found.to_payload()
    text = json.dumps(payload, allow_nan=False).replace(".0,", ",")
    assert HealthReport.from_payload(json.loads(text)) == found
    assert HealthReport.from_payload(payload).to_payload() == payload


def test_unknown_status_in_a_payload_is_refused() -> None:
    """A report of another version is not half understood."""
    payload = report(A=prices()).to_payload()
    cast("list[dict[str, object]]", payload["symbols"])[0]["status"] = "fine"
    with pytest.raises(ValueError, match="fine"):
        HealthReport.from_payload(payload)


@pytest.mark.property
@given(st.data())
def test_symbols_do_not_affect_each_other(data: st.DataObject) -> None:
    """The row of a symbol is the same whatever stands beside it."""
    holes = data.draw(st.sets(st.integers(0, 249)))
    one = report(A=without(*sorted(holes)))
    two = report(A=without(*sorted(holes)), B=np.full(250, np.nan), C=prices(seed=9))
    assert only(one) == only(two)

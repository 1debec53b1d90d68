"""Claims of `pipeline.meta.sleeves`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.config import Cell, MetaParams, SimulationParams
from pipeline.errors import DataError, GateClosedError
from pipeline.meta.sleeves import (
    DroppedSleeve,
    RowCount,
    SleeveCalendar,
    SleeveChoice,
    choose_cell,
    compose,
    deciding_record,
    weights_of,
)
from pipeline.rebalance import rebalance
from pipeline.simulation.simulators.vectorized import simulate
from pipeline.values import Holdings, Panel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.values import Payload

FREE = SimulationParams(slippage_bps=0.0, commission_bps=0.0)
SESSIONS = SleeveCalendar(252, "XNYS")
DAILY = SleeveCalendar(365, "24x7")
WEEKDAYS = [day for day in range(28) if day % 7 < 5]
"""Days since Monday 2024-01-01 that are no weekend."""


def _windows(
    days: Sequence[int], change: float = 0.01, weight: float = 1.0, size: int = 5
) -> list[Payload]:
    """Return simulated windows of a book whose asset changes by `change` a row."""
    dates = np.datetime64("2024-01-01") + np.array(days)
    panel = Panel.of(dates, ["A"], (100.0 * (1.0 + change) ** np.arange(len(days)))[:, None])
    holdings, liquidated_at, found = Holdings(1.0, {}), None, []
    for first in range(0, len(days) - 1, size):
        rows = panel.rows(first, min(first + size + 1, len(days)))
        window = simulate(
            rows, holdings, {"A": weight}, FREE, initial_nav=1.0, liquidated_at=liquidated_at
        )
        holdings, liquidated_at = window.holdings_end, window.liquidated_at
        found.append(window.to_payload())
    return found


# --------------------------------------------------------------------------- which series


@pytest.mark.parametrize(
    ("labels", "used"),
    [
        pytest.param(["custom.barbell", "custom.hrp"], "custom.hrp", id="as-requested"),
        pytest.param(
            ["custom.min_variance", "skfolio.hrp"], "skfolio.hrp", id="other-engine-first"
        ),
        pytest.param(
            ["custom.max_sharpe", "custom.min_variance"], "custom.min_variance", id="order"
        ),
        pytest.param(
            ["skfolio.min_variance", "custom.min_variance"], "custom.min_variance", id="same-engine"
        ),
        pytest.param(["zeta.hrp", "alpha.hrp"], "alpha.hrp", id="engines-by-name"),
        pytest.param(["custom.barbell", "skfolio.equal_weight"], "skfolio.equal_weight", id="late"),
    ],
)
def test_proxy_is_the_nearest_declared_one(labels: list[str], used: str) -> None:
    """Risk profile before engine, in the declared order, ties by engine name."""
    for order in (labels, labels[::-1]):
        choice = choose_cell("x", order, MetaParams())
        assert isinstance(choice, SleeveChoice)
        assert choice.used.label == used
        assert choice.proxy == (used != "custom.hrp")
        assert (choice.reason is None) == (used == "custom.hrp")


def test_wanted_risk_profile_of_another_engine_comes_before_every_proxy() -> None:
    """Also when the wanted risk profile is not among the proxies."""
    params = MetaParams(sleeve_cell=Cell(risk_profile="benchmark"))
    choice = choose_cell("x", ["custom.hrp", "skfolio.benchmark"], params)
    assert isinstance(choice, SleeveChoice)
    assert choice.used.label == "skfolio.benchmark"


def test_engines_are_tried_by_name() -> None:
    """Among many other engines the choice does not depend on the order of a set."""
    labels = [f"{engine}.hrp" for engine in "zyxwvutsrqponm"]
    choice = choose_cell("x", labels, MetaParams())
    assert isinstance(choice, SleeveChoice)
    assert choice.used.label == "m.hrp"


def test_reason_names_what_was_missing_and_what_there_was() -> None:
    """The record explains the proxy without the run at hand."""
    choice = choose_cell("x", ["custom.barbell"], MetaParams())
    assert choice == SleeveChoice(
        "x",
        Cell(risk_profile="hrp"),
        Cell(risk_profile="barbell"),
        "no series of custom.hrp; found custom.barbell",
    )


def test_undeclared_risk_profile_is_no_proxy() -> None:
    """Only what was declared may stand for a sleeve."""
    choice = choose_cell("x", ["custom.risk_parity"], MetaParams())
    assert choice == DroppedSleeve(
        "x", "no series of custom.hrp or a declared proxy; found custom.risk_parity"
    )


def test_sleeves_without_a_series_are_dropped_and_recorded() -> None:
    """Of four sleeves two have nothing to show; the other two go on."""
    found = compose(
        {
            "a.custom.hrp": _windows(WEEKDAYS),
            "b.custom.min_variance": _windows(WEEKDAYS, -0.01),
            "c.custom.hrp": [],
        },
        MetaParams(),
        dict.fromkeys("abcd", SESSIONS),
    )
    assert found.panel.symbols == ("a", "b")
    assert [(c.sleeve, c.proxy) for c in found.choices] == [("a", False), ("b", True)]
    assert [d.sleeve for d in found.dropped] == ["c", "d"]
    assert all(d.reason.endswith("found none") for d in found.dropped)


def test_one_sleeve_closes_the_gate() -> None:
    """A combination of one is no combination."""
    with pytest.raises(
        GateClosedError, match="1 of 2 sleeves with a series, expected at least 2"
    ) as error:
        compose({"a.custom.hrp": _windows(WEEKDAYS)}, MetaParams(), dict.fromkeys("ab", SESSIONS))
    assert error.value.where.startswith("kept: a; dropped: b: no series")


# --------------------------------------------------------------------------- which dates


def test_crypto_compounds_over_the_weekend() -> None:
    """A 24x7 sleeve beside a session sleeve: Friday to Monday is three of its days in one."""
    found = compose(
        {"coin.custom.hrp": _windows(range(28)), "stock.custom.hrp": _windows(WEEKDAYS, 0.0)},
        MetaParams(),
        {"coin": DAILY, "stock": SESSIONS},
    )
    days = found.panel.dates.astype(str).tolist()
    assert days == [str(np.datetime64("2024-01-01") + d) for d in WEEKDAYS[1:]]
    returns = found.panel.returns()
    coin = dict(zip(returns.dates.astype(str).tolist(), returns.values[:, 0].tolist(), strict=True))
    assert coin["2024-01-05"] == pytest.approx(0.01)
    assert coin["2024-01-08"] == pytest.approx(1.01**3 - 1.0)
    assert returns.values[:, 1].tolist() == [0.0] * len(returns.dates)
    assert found.calendar == SESSIONS
    assert found.rows == (RowCount("coin", 2, 6), RowCount("stock", 0, 0))


def test_only_the_common_range_is_used() -> None:
    """A sleeve that starts late shortens the panel; nobody is padded."""
    found = compose(
        {"a.custom.hrp": _windows(range(20)), "b.custom.hrp": _windows(range(10, 28))},
        MetaParams(),
        dict.fromkeys("ab", DAILY),
    )
    payload = found.to_payload()
    assert (payload["first_date"], payload["last_date"]) == ("2024-01-12", "2024-01-20")
    assert payload["rows"] == 9
    assert found.rows == (RowCount("a", 10, 0), RowCount("b", 8, 0))
    assert not np.isnan(found.panel.closes).any()


def test_sleeves_without_common_dates_are_refused() -> None:
    """No overlap, no panel; the error names the ranges."""
    with pytest.raises(DataError, match="0 common dates") as error:
        compose(
            {"a.custom.hrp": _windows(range(5)), "b.custom.hrp": _windows(range(10, 20))},
            MetaParams(),
            dict.fromkeys("ab", DAILY),
        )
    assert error.value.where == "a 2024-01-02 to 2024-01-05; b 2024-01-12 to 2024-01-20"


def test_sleeve_without_value_closes_the_gate() -> None:
    """A NAV of zero or less has no return; leaving the sleeve out would be hindsight."""
    with pytest.raises(GateClosedError, match="expected a positive NAV") as error:
        compose(
            {"a.custom.hrp": _windows(range(9)), "b.custom.hrp": _windows(range(9), 0.5, -2.0)},
            MetaParams(),
            dict.fromkeys("ab", DAILY),
        )
    assert error.value.where == "sleeve b on 2024-01-02"


def test_composition_does_not_depend_on_the_order_of_the_input() -> None:
    """The same sleeves in another order give the same payload."""
    simulations = {"b.custom.hrp": _windows(range(9)), "a.skfolio.hrp": _windows(range(9), 0.02)}
    calendars = {"b": DAILY, "a": SESSIONS}
    one = compose(simulations, MetaParams(), calendars).to_payload()
    other = compose(
        dict(reversed(simulations.items())), MetaParams(), dict(reversed(calendars.items()))
    ).to_payload()
    assert json.dumps(one, allow_nan=False) == json.dumps(other)
    assert list(one) == [
        "sleeves",
        "dropped",
        "first_date",
        "last_date",
        "rows",
        "calendar",
        "periods_per_year",
        "logical_sha256",
    ]


# --------------------------------------------------------------------------- what a sleeve holds


def _decisions() -> tuple[list[Payload], list[Payload]]:
    """Return three rebalances, five days apart, and the simulations of the first two."""
    dates = [f"2024-01-{day:02d}" for day in (1, 6, 11)]
    made = [
        rebalance(Holdings(1.0, {}), {"A": 0.1 * (i + 1)}, day, FREE).to_payload()
        for i, day in enumerate(dates)
    ]
    return made, _windows(range(11), weight=0.5)


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2024-01-01", ("rebalance", 0)),
        ("2024-01-05", ("rebalance", 0)),
        ("2024-01-06", ("rebalance", 1)),
        ("2024-01-10", ("rebalance", 1)),
        ("2024-01-11", ("rebalance", 2)),
        ("2024-03-01", ("rebalance", 2)),
    ],
)
def test_last_decision_says_what_a_sleeve_holds(day: str, expected: tuple[str, int]) -> None:
    """Targets count from the close of their decision date until the next decision."""
    rebalances, simulations = _decisions()
    assert deciding_record(rebalances, simulations, day) == expected


def test_end_of_the_last_window_says_what_a_sleeve_holds() -> None:
    """Without a later decision the drifted book at the end of the window is known exactly."""
    rebalances, simulations = _decisions()
    found = deciding_record(rebalances[:2], simulations, "2024-01-11")
    assert found == ("simulate", 1)
    weights = weights_of(simulations[1])
    assert weights["A"] == pytest.approx(0.5 * 1.01**5 / (0.5 + 0.5 * 1.01**5))


def test_liquidated_sleeve_holds_nothing_from_that_day_on() -> None:
    """Known on its day and after, not before: hindsight would sell it earlier."""
    rebalances, _ = _decisions()
    simulations = _windows(range(6), 0.3, -1.5)
    assert simulations[0]["liquidated_at"] == "2024-01-03"
    assert deciding_record(rebalances[:1], simulations, "2024-01-02") == ("rebalance", 0)
    assert deciding_record(rebalances[:1], simulations, "2024-01-03") == ("simulate", 0)
    assert weights_of(simulations[0]) == {}


def test_sleeve_without_a_decision_is_refused() -> None:
    """Nothing decided is not the same as nothing held."""
    rebalances, simulations = _decisions()
    with pytest.raises(DataError, match="had decided nothing by 2023-12-31"):
        deciding_record(rebalances, simulations, "2023-12-31")


def test_weights_of_a_rebalance_are_its_targets() -> None:
    """Integers of the ledger become floats."""
    assert weights_of({"targets": {"B": 1, "A": -0.5}}) == {"A": -0.5, "B": 1.0}

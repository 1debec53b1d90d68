"""Sectors, asset classes, floors and net exposure as rows, and rules where they leave no room."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.config import CapParams, OptimizationParams
from pipeline.errors import ConfigError, GateClosedError
from pipeline.optimization.constraints import Limits
from pipeline.optimization.side_limits import fitted, largest_total, side_limits
from tests.pipeline.optimization.markets import make_parameters

SYMBOLS = ("A", "B", "C", "D")
REGIMES = ("quiet", "normal", "turbulent", "crisis")


def caps(cap: float, **others: float) -> dict[str, float]:
    """Return one cap for all regimes but those named."""
    return {**dict.fromkeys(REGIMES, cap), **others}


def limits(cap: float = 1.0) -> Limits:
    """Return four symbols in one cluster."""
    return Limits(1.0, np.full(4, cap), 1.0, ((0, 1, 2, 3),))


SECTORS = {"A": "oil", "B": "oil", "C": "tech", "D": "tech"}


def test_rows_say_what_the_manifest_declares() -> None:
    """A cap of the regime for each group, floors as negative rows, net exposure from both sides."""
    params = make_parameters(
        sectors=SECTORS,
        sector_caps=caps(0.6, crisis=0.4),
        asset_classes=dict.fromkeys(SYMBOLS, "equity"),
        asset_class_caps=caps(1.0),
        symbol_floors={"B": 0.1, "Z": 0.2},
        short_symbols=("D",),
        net_limits=(-0.5, 0.5),
    )
    rows = {row.label: row for row in side_limits(params, "crisis", SYMBOLS)}
    assert list(rows) == [
        "sector_cap.oil",
        "sector_cap.tech",
        "asset_class_cap.equity",
        "symbol_floor.B",
        "net.least",
        "net.most",
    ]
    assert rows["sector_cap.oil"].coefficients.tolist() == [1.0, 1.0, 0.0, 0.0]
    assert (rows["sector_cap.oil"].limit, rows["symbol_floor.B"].limit) == (0.4, -0.1)
    weights = np.array([0.1, 0.2, 0.3, 0.4])
    assert rows["net.most"].value(weights) == pytest.approx(0.2)
    assert rows["net.least"].value(weights) == pytest.approx(-0.2)


def test_a_symbol_without_a_sector_is_refused() -> None:
    """It would escape the cap; the message names it."""
    params = make_parameters(sectors={"A": "oil"}, sector_caps=caps(0.5))
    with pytest.raises(ConfigError, match=r"B, C, D of 4 symbols have no entry"):
        side_limits(params, "normal", SYMBOLS)


def test_ordered_net_limits_are_required() -> None:
    """A least above the most is an error of the manifest."""
    with pytest.raises(ValueError, match="must not exceed"):
        OptimizationParams(net_limits=(0.5, 0.1))


def test_group_caps_that_suffice_stay_as_they_are() -> None:
    """Two sectors at 60 % hold everything."""
    rows = side_limits(make_parameters(sectors=SECTORS, sector_caps=caps(0.6)), "normal", SYMBOLS)
    total, found, told = fitted(limits(), rows, "stop")
    assert (total, found, told.rule, told.sector_cap) == (1.0, rows, "none", 0.6)


def test_group_caps_without_room_follow_the_rule() -> None:
    """Two sectors at 40 %: stop closes the gate, cash keeps a fifth, relax takes a half each."""
    rows = side_limits(make_parameters(sectors=SECTORS, sector_caps=caps(0.4)), "normal", SYMBOLS)
    with pytest.raises(GateClosedError, match=r"allow weights of at most 0\.8"):
        fitted(limits(), rows, "stop")
    total, _, told = fitted(limits(), rows, "cash")
    assert total == pytest.approx(0.8, abs=2e-6)
    assert told.rule == "cash"
    total, wide, told = fitted(limits(), rows, "relax")
    assert (total, told.rule, told.sector_cap_requested) == (1.0, "relax", 0.4)
    assert told.sector_cap == pytest.approx(0.5, abs=2e-6)
    assert {row.limit for row in wide} == {told.sector_cap}


def test_floors_above_everything_close_the_gate_under_every_rule() -> None:
    """Floors are not relaxed: two of 60 % never fit."""
    params = make_parameters(symbol_floors={"A": 0.6, "B": 0.6})
    rows = side_limits(params, "normal", SYMBOLS)
    assert largest_total(limits(), rows) is None
    for rule in ("stop", "relax", "cash"):
        with pytest.raises(GateClosedError, match="no weights at all"):
            fitted(limits(), rows, rule)


def test_the_largest_total_counts_all_limits() -> None:
    """Symbol caps of 30 % and an oil cap of 40 %: 0.4 + 0.6."""
    params = make_parameters(sectors=SECTORS, sector_caps=caps(1.0))
    rows = side_limits(params, "normal", SYMBOLS)
    narrow = side_limits(
        make_parameters(sectors=SECTORS, sector_caps=CapParams(**caps(0.4)).model_dump()),
        "normal",
        SYMBOLS,
    )
    assert largest_total(limits(0.2), rows) == pytest.approx(0.8)
    assert largest_total(limits(0.3), (narrow[0],)) == pytest.approx(1.0)
    assert largest_total(limits(0.25), (narrow[0],)) == pytest.approx(0.9)

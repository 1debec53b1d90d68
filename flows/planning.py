"""Which decisions a window has, in which order, from which rows and earlier decisions.

Planning names ids and rows and decides nothing. The windows of a cell (an engine and a risk
profile) hang together by the holdings that they carry.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, cast

from flows.batch import Planned
from pipeline.config import CapParams
from pipeline.fingerprint import panel_digest
from pipeline.records import Intent, Slice, window_payload
from pipeline.values import iso

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ledger import Digest
    from pipeline.config import Cell, OptimizationParams, RunProfile, Section
    from pipeline.simulation.walk_forward import Window
    from pipeline.values import Panel, Payload


LAST_CLOSE_ROWS = 5
"""Rows before the base date of a simulation: a held symbol without a bar on the base date is
valued at its last close."""


@dataclass(slots=True)
class Track:
    """The prices of a sleeve and what its decisions have in common.

    Attributes
    ----------
    name : str
        Sleeve id, or `meta`.
    profile : RunProfile
        Its complete parameters.
    panel : Panel
        All rows of the snapshot.
    snapshot : Digest
        The blob that the panel was read from.
    price_field : str
        Price column of the snapshot.
    periods_per_year : int
        From the calendar.
    decision_id : callable
        `(step, ordinal) -> id` of the run.
    last_simulation : dict of str to str
        Cell label -> id of the latest simulation, whose end holdings are carried on.
    last_trades : dict of str to str
        Cell label -> id of the latest rebalance.
    """

    name: str
    profile: RunProfile
    panel: Panel
    snapshot: Digest
    price_field: str
    periods_per_year: int
    decision_id: Callable[[str, str], str]
    last_simulation: dict[str, str] = field(default_factory=dict)
    last_trades: dict[str, str] = field(default_factory=dict)

    def params(self, section: Section, *, periods: bool = False) -> Payload:
        """Return a section as recorded, with `periods_per_year` where the stage needs it."""
        payload = cast("Payload", section.model_dump(mode="json"))
        return {**payload, "periods_per_year": self.periods_per_year} if periods else payload


OF_SYMBOLS: Mapping[str, object] = {
    "sectors": {},
    "sector_caps": None,
    "asset_classes": {},
    "asset_class_caps": None,
    "symbol_floors": {},
    "short_symbols": (),
    "net_limits": None,
}
"""Limits that speak of symbols: sleeves are weighed without them."""


class Rows(NamedTuple):
    """Rows of a panel with their recorded description."""

    panel: Panel
    described: Slice


class WindowPlan:
    """Plans the decisions of one window of a track.

    Parameters
    ----------
    track : Track
        The sleeve.
    window : Window
        Row indices of the window.
    asked : str, optional
        Date that the health of the prices is judged on, where it is later than their last day.
    """

    def __init__(self, track: Track, window: Window, asked: str | None = None) -> None:
        self.asked = asked
        self.track = track
        self.window = window
        self.planned: list[Planned] = []
        self._sliced: dict[tuple[int, int], Rows] = {}
        dates = track.panel.dates
        self.as_of = iso(dates[window.train_stop - 1])
        tested = window.test_stop > window.test_first
        self.payload = window_payload(
            window.ordinal,
            (dates[window.train_first], dates[window.train_stop - 1]),
            (dates[window.test_first], dates[window.test_stop - 1]) if tested else (None, None),
        )

    def assets(self, until: str = "simulate") -> list[Planned]:
        """Plan a window of a sleeve that holds assets, up to the step `until`."""
        profile = self.track.profile
        lookback = max(0, self.window.train_stop - profile.data.lookback_days)
        health = self._add("assess", self.track.params(profile.data), self._rows(lookback))
        if until == "assess":
            return self.planned
        train = self._rows(self.window.train_first)
        regime = self._add("detect", self.track.params(profile.regime), train, health=health)
        chosen = self._add(
            "select",
            self.track.params(profile.selection, periods=True),
            train,
            health=health,
        )
        if until == "select":
            return self.planned
        for cell in profile.optimization.cells:
            limits = profile.optimization.model_copy(update={"cells": (cell,)})
            params = self.track.params(self._spread(limits), periods=True)
            upstream = {"regime": regime, "selection": chosen, **self._book(cell, limits)}
            weights = self._add("optimize", params, train, cell, **upstream)
            if until != "optimize":
                self._trade(cell, weights)
        return self.planned

    def carried(self, cell: Cell, since: int) -> None:
        """Plan the simulation of the trades of an earlier run from row `since` to the decision."""
        track = self.track
        before = track.last_simulation.get(cell.label)
        upstream = {"trades": track.last_trades[cell.label]}
        if before is not None:
            upstream["holdings"] = before
        params = track.params(track.profile.simulation)
        rows = self._rows(max(0, since - LAST_CLOSE_ROWS))
        held = self._add("simulate", params, rows, cell, **upstream)
        track.last_simulation[cell.label] = held

    def sleeves(self, composition: str, portfolios: dict[str, str]) -> list[Planned]:
        """Plan a window of the meta-portfolio.

        Parameters
        ----------
        composition : str
            Id of the decision that joined the sleeves.
        portfolios : dict of str to str
            Sleeve -> id of the decision that says what it holds on the decision date.
        """
        profile = self.track.profile
        train = self._rows(self.window.train_first)
        regime = self._add("detect", self.track.params(profile.regime), train)
        cap = profile.meta.sleeve_cap
        caps = CapParams(quiet=cap, normal=cap, turbulent=cap, crisis=cap)
        whole = CapParams(quiet=1.0, normal=1.0, turbulent=1.0, crisis=1.0)
        limits = profile.optimization.model_copy(
            update={
                "symbol_caps": caps,
                "cluster_caps": whole,
                "cells": (profile.meta.cell,),
                **OF_SYMBOLS,
            }
        )
        weights = self._add(
            "optimize",
            self.track.params(self._spread(limits), periods=True),
            train,
            profile.meta.cell,
            regime=regime,
            composition=composition,
            **self._book(profile.meta.cell, limits),
        )
        self._trade(profile.meta.cell, weights)
        parts = {f"sleeve.{sleeve}": id_ for sleeve, id_ in sorted(portfolios.items())}
        self._add("flatten", {}, None, profile.meta.cell, weights=weights, **parts)
        return self.planned

    def _spread(self, limits: OptimizationParams) -> OptimizationParams:
        """Return the parameters with the days that costs of trading are spread over."""
        if not limits.trading.used or limits.trading.holding_days is not None:
            return limits
        days = self.track.profile.walk_forward.step_days
        trading = limits.trading.model_copy(update={"holding_days": days})
        return limits.model_copy(update={"trading": trading})

    def _book(self, cell: Cell, limits: OptimizationParams) -> dict[str, str]:
        """Return the decision that says what is held, where the weights depend on it."""
        before = self.track.last_simulation.get(cell.label)
        return {"holdings": before} if limits.trading.used and before is not None else {}

    def _trade(self, cell: Cell, weights: str) -> None:
        """Plan the trades of a book and, where there are test rows, their simulation."""
        track = self.track
        params = track.params(track.profile.simulation)
        before = track.last_simulation.get(cell.label)
        carried = {} if before is None else {"holdings": before}
        trades = self._add("rebalance", params, None, cell, weights=weights, **carried)
        track.last_trades[cell.label] = trades
        if self.window.test_stop > self.window.test_first:
            first = max(0, self.window.train_stop - 1 - LAST_CLOSE_ROWS)
            rows = self._rows(first, self.window.test_stop)
            held = self._add("simulate", params, rows, cell, trades=trades, **carried)
            track.last_simulation[cell.label] = held

    def _rows(self, first: int, stop: int | None = None) -> Rows:
        """Return rows and their description, made once: all cells of a window share them."""
        key = (first, self.window.train_stop if stop is None else stop)
        if key not in self._sliced:
            panel = self.track.panel.rows(*key)
            self._sliced[key] = Rows(panel, slice_of(panel, self.track.price_field))
        return self._sliced[key]

    def _add(
        self,
        step: str,
        params: Payload,
        rows: Rows | None,
        cell: Cell | None = None,
        /,
        **upstream: str,
    ) -> str:
        intent = Intent(
            step=step,
            sleeve=self.track.name,
            as_of=self.asked or self.as_of if step == "assess" else self.as_of,
            window=self.payload,
            cell=cell,
            params=params,
            rows=None if rows is None else rows.described,
            upstream=upstream,
            seed=self.track.profile.seed,
        )
        self.planned.append(Planned(intent, None if rows is None else rows.panel))
        return self.track.decision_id(step, intent.ordinal)


def slice_of(panel: Panel, price_field: str) -> Slice:
    """Return the recorded description of exactly the values of `panel`."""
    return Slice(
        field=price_field,
        first=iso(panel.dates[0]),
        last=iso(panel.dates[-1]),
        rows=len(panel.dates),
        columns=len(panel.symbols),
        sha256=panel_digest(panel),
    )

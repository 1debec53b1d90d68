"""Sleeves as assets: one NAV series per sleeve, joined on common dates.

Which series: the wanted cell (engine and risk profile) of the sleeve. Where a sleeve lacks it, the
risk profiles are tried in the order wanted, then `params.proxies`; for each of them the wanted
engine first, then the other engines by name. Another engine solving for the same thing is nearer
to what was wanted than the same engine solving for something else. Every choice is recorded with
its reason; a sleeve without any series is dropped, recorded, and never replaced by a constant.

Which dates: those that every sleeve has, hence the days of the slowest calendar in the range all
sleeves cover. NAVs are levels, so the return of a daily crypto sleeve from Friday to Monday
compounds over the weekend by itself; nothing is padded.

Known limits:
    The return of a sleeve's first day is lost, because its NAV before that day has no date in the
    record of the simulation.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

import numpy as np

from pipeline.config import Cell
from pipeline.errors import DataError, GateClosedError
from pipeline.fingerprint import panel_digest
from pipeline.simulation.metrics import stitch
from pipeline.values import Holdings, Panel, iso

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pipeline.config import MetaParams
    from pipeline.simulation.metrics import Stitched
    from pipeline.values import Json, Payload

LEAST_SLEEVES = 2
"""Fewer sleeves and there is nothing to combine."""
LEAST_ROWS = 2
"""Fewer common dates and there is no return."""

Source: TypeAlias = Literal["rebalance", "simulate"]


@dataclass(frozen=True, slots=True, order=True)
class SleeveCalendar:
    """The market days of a sleeve.

    Attributes
    ----------
    periods_per_year : int
        Market days of a year (252, 365).
    name : str
        `24x7` or an exchange code.
    """

    periods_per_year: int
    name: str


@dataclass(frozen=True, slots=True)
class SleeveChoice:
    """Which portfolio stands for a sleeve.

    Attributes
    ----------
    sleeve : str
        Name of the sleeve.
    requested, used : Cell
        Engine and risk profile.
    reason : str or None
        Why a proxy is used; `None` when the requested cell is.
    """

    sleeve: str
    requested: Cell
    used: Cell
    reason: str | None

    @property
    def proxy(self) -> bool:
        """Whether another cell than the requested one is used."""
        return self.used != self.requested

    def to_payload(self) -> Payload:
        """Return one entry of `sleeves` in the result of `compose@1`."""
        return {
            "sleeve": self.sleeve,
            "requested": self.requested.model_dump(mode="json"),
            "used": self.used.model_dump(mode="json"),
            "proxy": self.proxy,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class DroppedSleeve:
    """A sleeve without any series that could stand for it."""

    sleeve: str
    reason: str


@dataclass(frozen=True, slots=True)
class RowCount:
    """What became of the rows of one sleeve in the join.

    Attributes
    ----------
    sleeve : str
        Name of the sleeve.
    outside : int
        Rows before or after the range that all sleeves cover: lost.
    compounded : int
        Rows inside that range on days another sleeve lacks: their returns are part of the return
        of the next common date.
    """

    sleeve: str
    outside: int
    compounded: int


@dataclass(frozen=True, slots=True)
class Composition:
    """The sleeves of a meta-portfolio as a panel.

    Attributes
    ----------
    panel : Panel
        One column per sleeve, its NAV net of costs as close, on the common dates.
    choices : tuple of SleeveChoice
        In the order of the columns.
    dropped : tuple of DroppedSleeve
        Ascending by sleeve.
    calendar : SleeveCalendar
        The slowest calendar of the sleeves used.
    rows : tuple of RowCount
        In the order of the columns.
    """

    panel: Panel
    choices: tuple[SleeveChoice, ...]
    dropped: tuple[DroppedSleeve, ...]
    calendar: SleeveCalendar
    rows: tuple[RowCount, ...]

    def to_payload(self) -> Payload:
        """Return the result of `compose@1`."""
        return {
            "sleeves": [choice.to_payload() for choice in self.choices],
            "dropped": [cast("Json", asdict(dropped)) for dropped in self.dropped],
            "first_date": iso(self.panel.dates[0]),
            "last_date": iso(self.panel.dates[-1]),
            "rows": len(self.panel.dates),
            "calendar": self.calendar.name,
            "periods_per_year": self.calendar.periods_per_year,
            "logical_sha256": panel_digest(self.panel),
        }


def compose(
    simulations: Mapping[str, Sequence[Payload]],
    params: MetaParams,
    calendars: Mapping[str, SleeveCalendar],
) -> Composition:
    """Join the sleeves of a meta-portfolio into one panel.

    Parameters
    ----------
    simulations : mapping of str to sequence of payloads
        `<sleeve>.<engine>.<risk_profile>` -> results of `simulate@1`, by window. A sleeve or cell
        without windows may be absent.
    params : MetaParams
        `sleeve_cell` and `proxies` are used.
    calendars : mapping of str to SleeveCalendar
        Every sleeve of the meta-portfolio and the calendar it runs on.

    Raises
    ------
    GateClosedError
        If fewer than two sleeves have a series, or the NAV of one is not positive.
    DataError
        If the sleeves have fewer than two common dates.
    """
    available = _by_sleeve(simulations)
    found = [choose_cell(s, sorted(available.get(s, {})), params) for s in sorted(calendars)]
    choices = [choice for choice in found if isinstance(choice, SleeveChoice)]
    dropped = [choice for choice in found if isinstance(choice, DroppedSleeve)]
    if len(choices) < LEAST_SLEEVES:
        raise _too_few(choices, dropped)
    series = {c.sleeve: stitch(available[c.sleeve][c.used.label]) for c in choices}
    panel = _joined(series)
    used = {sleeve: calendars[sleeve] for sleeve in series}
    return Composition(
        panel=panel,
        choices=tuple(choices),
        dropped=tuple(dropped),
        calendar=min(used.values()),
        rows=tuple(_row_count(sleeve, found, panel) for sleeve, found in series.items()),
    )


def choose_cell(
    sleeve: str, labels: Sequence[str], params: MetaParams
) -> SleeveChoice | DroppedSleeve:
    """Return the portfolio that stands for a sleeve, or why there is none.

    Parameters
    ----------
    sleeve : str
        Name of the sleeve.
    labels : sequence of str
        Cells that have a series, as `<engine>.<risk_profile>`.
    params : MetaParams
        `sleeve_cell` and `proxies` are used.
    """
    requested = params.sleeve_cell
    for candidate in _candidates(labels, params):
        if candidate.label in labels:
            reason = None
            if candidate != requested:
                reason = f"no series of {requested.label}; found {', '.join(sorted(labels))}"
            return SleeveChoice(sleeve, requested, candidate, reason)
    found = ", ".join(sorted(labels)) or "none"
    return DroppedSleeve(
        sleeve, f"no series of {requested.label} or a declared proxy; found {found}"
    )


def deciding_record(
    rebalances: Sequence[Payload], simulations: Sequence[Payload], day: object
) -> tuple[Source, int]:
    """Return which recorded decision says what a sleeve holds at the close of `day`.

    A simulation records its book at the end of each window only, so within a window the answer is
    the targets traded at its start: the drift since then, at most one window of it, is left out.

    1. The last rebalance decided on or before `day` counts: its targets.
    2. Unless its window has ended by `day`, or the book was liquidated by then: then the
       simulation of that window counts, with what it holds at its end.

    Only what was known on `day` is used: a liquidation later in the window changes nothing.

    Parameters
    ----------
    rebalances, simulations : sequence of payloads
        Results of `rebalance@1` and `simulate@1` of one sleeve and cell, by window. The last
        rebalance may be without a simulation.
    day : date-like
        Decision date of the meta-portfolio.

    Returns
    -------
    tuple of str and int
        `"rebalance"` or `"simulate"`, and the position in that sequence; `weights_of` reads the
        weights from the record.

    Raises
    ------
    DataError
        If the sleeve had decided nothing by `day`.
    """
    asked = iso(day)
    made = [i for i, found in enumerate(rebalances) if cast("str", found["as_of"]) <= asked]
    if not made:
        raise DataError(
            f"the sleeve had decided nothing by {asked}",
            where=f"{len(rebalances)} decisions of the sleeve",
            why="a sleeve is flattened to what it held on the decision date",
            fix="start the meta-portfolio after the first decision of every sleeve",
        )
    last = made[-1]
    if last < len(simulations):
        window = simulations[last]
        liquidated = cast("str | None", window["liquidated_at"])
        ended = cast("str", window["last_date"]) <= asked
        if ended or (liquidated is not None and liquidated <= asked):
            return "simulate", last
    return "rebalance", last


def weights_of(record: Payload) -> dict[str, float]:
    """Return signed weights by symbol from a result of `rebalance@1` or `simulate@1`.

    A rebalance gives its targets, a simulation what it holds at its end.
    """
    if "targets" in record:
        targets = cast("dict[str, float]", record["targets"])
        return {symbol: float(targets[symbol]) for symbol in sorted(targets)}
    holdings = Holdings.from_payload(cast("Payload", record["holdings_end"]))
    return holdings.weights() if holdings.positions else {}


def _by_sleeve(
    simulations: Mapping[str, Sequence[Payload]],
) -> dict[str, dict[str, Sequence[Payload]]]:
    """Return sleeve -> cell label -> windows, without the empty ones."""
    found: dict[str, dict[str, Sequence[Payload]]] = {}
    for role in sorted(simulations):
        sleeve, _, label = role.partition(".")
        if simulations[role]:
            found.setdefault(sleeve, {})[label] = simulations[role]
    return found


def _candidates(labels: Sequence[str], params: MetaParams) -> Iterator[Cell]:
    """Yield the cells to try, best first."""
    requested = params.sleeve_cell
    engines = {label.partition(".")[0] for label in labels}
    order = [requested.engine, *sorted(engines - {requested.engine})]
    for risk_profile in dict.fromkeys((requested.risk_profile, *params.proxies)):
        for engine in order:
            yield Cell(engine=engine, risk_profile=risk_profile)


def _joined(series: Mapping[str, Stitched]) -> Panel:
    """Return the NAVs on the dates that every sleeve has."""
    sleeves = sorted(series)
    common = sorted(set.intersection(*(set(series[sleeve].dates) for sleeve in sleeves)))
    if len(common) < LEAST_ROWS:
        ranges = [f"{s} {series[s].dates[0]} to {series[s].dates[-1]}" for s in sleeves]
        raise DataError(
            f"{len(common)} common dates, expected at least {LEAST_ROWS}",
            where="; ".join(ranges),
            why="sleeves are joined on the dates that all of them have; nothing is padded",
            fix="combine sleeves whose test periods overlap",
        )
    closes = np.empty((len(common), len(sleeves)))
    for column, sleeve in enumerate(sleeves):
        nav_on = dict(zip(series[sleeve].dates, series[sleeve].nav, strict=True))
        closes[:, column] = [nav_on[day] for day in common]
        _check_valuable(sleeve, nav_on, common)
    return Panel.of(np.array(common, dtype="datetime64[D]"), sleeves, closes)


def _check_valuable(sleeve: str, nav_on: Mapping[str, float], common: Sequence[str]) -> None:
    for day in common:
        if nav_on[day] <= 0.0:
            raise GateClosedError(
                f"the NAV of the sleeve is {nav_on[day]!r}, expected a positive NAV",
                where=f"sleeve {sleeve} on {day}",
                why="a portfolio without value cannot be an asset; dropping it for what happened "
                "later would be look-ahead",
                fix="take the sleeve out of the profile, or lower its leverage",
            )


def _row_count(sleeve: str, series: Stitched, panel: Panel) -> RowCount:
    first, last = iso(panel.dates[0]), iso(panel.dates[-1])
    inside = sum(first <= day <= last for day in series.dates)
    return RowCount(sleeve, len(series.dates) - inside, inside - len(panel.dates))


def _too_few(choices: Sequence[SleeveChoice], dropped: Sequence[DroppedSleeve]) -> GateClosedError:
    kept = ", ".join(choice.sleeve for choice in choices) or "none"
    return GateClosedError(
        f"{len(choices)} of {len(choices) + len(dropped)} sleeves with a series, expected at least "
        f"{LEAST_SLEEVES}",
        where=f"kept: {kept}; dropped: "
        + ("; ".join(f"{d.sleeve}: {d.reason}" for d in dropped) or "none"),
        why="a meta-portfolio of one sleeve is that sleeve",
        fix="run the missing sleeves, or declare their risk profiles in meta.proxies",
    )

"""Health of each symbol at a decision date, and the gate that strict runs pass.

A bar is missing when the calendar has a session and the symbol has none; the value of a bar never
says so. Everything is counted in sessions, from the symbol's first bar in the rows given: a symbol
is not faulted for the time before it was listed.

The first of these that applies is the status; all findings are listed as reasons:

    missing    no bar at all
    dropped    listed too recently to have the floor of bars, or its returns do not vary
    stale      too many sessions since its last bar
    degraded   a hole longer than tolerated, too many holes in total, or a return beyond the limit
    dropped    fewer bars than the floor although it was listed long enough
    closed     its last bar is older than the decision date, and no session lies between
    ok         otherwise

A symbol is usable if it is `ok` or `closed`. Holes come before the floor, so that a symbol cannot
slip past the strict gate by missing so many bars that it counts as not listed.

Invariants:
    1. The report depends on the rows up to the decision date and on nothing else.
    2. `expected = missing + bars on sessions` for every symbol that has a bar on a session.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, cast, get_args

import numpy as np

from pipeline.ingestion.coverage import measure, tolerated_gap
from pipeline.ingestion.source import LEAST_SYMBOLS
from pipeline.values import iso

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.config import DataParams
    from pipeline.ingestion.calendars import Calendar
    from pipeline.ingestion.coverage import Coverage
    from pipeline.values import Json, Panel, Payload

    Finding: TypeAlias = "tuple[Status | None, str]"

Status: TypeAlias = Literal["missing", "dropped", "stale", "degraded", "closed", "ok"]
Gate: TypeAlias = Literal["open", "closed"]

STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True, slots=True)
class SymbolHealth:
    """What was found for one symbol.

    Attributes
    ----------
    symbol : str
        The symbol.
    status : str
        One of `STATUSES`.
    bars : int
        Bars in the rows given.
    expected : int
        Sessions from its first to its last bar, both included.
    missing : int
        Expected sessions without a bar.
    largest_gap : int
        Most sessions missing in one hole.
    tolerated : int
        Sessions missing in holes short enough to be tolerated.
    last_date : str or None
        Day of its last bar.
    stale : int or None
        Sessions after its last bar, up to the decision date.
    deviation : float or None
        Sample standard deviation of its returns from bar to bar; None below two returns.
    largest_return : float or None
        Largest absolute return from bar to bar.
    reasons : tuple of str
        Every finding, with value and limit.
    """

    symbol: str
    status: Status
    bars: int
    expected: int
    missing: int
    largest_gap: int
    tolerated: int
    last_date: str | None
    stale: int | None
    deviation: float | None
    largest_return: float | None
    reasons: tuple[str, ...]

    def to_payload(self) -> Payload:
        """Return the finding as a JSON object."""
        return {
            "symbol": self.symbol,
            "status": self.status,
            "bars": self.bars,
            "expected": self.expected,
            "missing": self.missing,
            "largest_gap": self.largest_gap,
            "tolerated": self.tolerated,
            "last_date": self.last_date,
            "stale": self.stale,
            "deviation": self.deviation,
            "largest_return": self.largest_return,
            "reasons": list(self.reasons),
        }

    @classmethod
    def from_payload(cls, payload: Payload) -> SymbolHealth:
        """Return the finding that `to_payload` wrote.

        Raises
        ------
        KeyError
            If a field is missing.
        ValueError
            If the status is none of `STATUSES`.
        """
        if payload["status"] not in STATUSES:
            msg = f"expected a status of {STATUSES}, found {payload['status']!r}"
            raise ValueError(msg)
        return cls(
            symbol=cast("str", payload["symbol"]),
            status=cast("Status", payload["status"]),
            bars=cast("int", payload["bars"]),
            expected=cast("int", payload["expected"]),
            missing=cast("int", payload["missing"]),
            largest_gap=cast("int", payload["largest_gap"]),
            tolerated=cast("int", payload["tolerated"]),
            last_date=cast("str | None", payload["last_date"]),
            stale=cast("int | None", payload["stale"]),
            deviation=_float_or_none(payload["deviation"]),
            largest_return=_float_or_none(payload["largest_return"]),
            reasons=tuple(cast("list[str]", payload["reasons"])),
        )


def _float_or_none(value: Json) -> float | None:
    return None if value is None else float(cast("float", value))


@dataclass(frozen=True, slots=True)
class HealthReport:
    """Health of all symbols at one decision date.

    Attributes
    ----------
    as_of : str
        Decision date.
    strict : bool
        Whether the gate may close for the health of a symbol.
    gate : str
        `open` or `closed`.
    rows : tuple of SymbolHealth
        One for each symbol, ascending.
    """

    as_of: str
    strict: bool
    gate: Gate
    rows: tuple[SymbolHealth, ...]

    @property
    def usable(self) -> tuple[str, ...]:
        """Symbols that may be weighed, ascending."""
        return tuple(row.symbol for row in self.rows if row.status in {"ok", "closed"})

    @property
    def counts(self) -> dict[str, int]:
        """Number of symbols of each status, the absent ones too."""
        found = [row.status for row in self.rows]
        return {status: found.count(status) for status in STATUSES}

    def to_payload(self) -> Payload:
        """Return the result of `assess` (`docs/spec/records.md`)."""
        return {
            "as_of": self.as_of,
            "strict": self.strict,
            "gate": self.gate,
            "counts": dict(self.counts),
            "symbols": [row.to_payload() for row in self.rows],
        }

    @classmethod
    def from_payload(cls, payload: Payload) -> HealthReport:
        """Return the report that `to_payload` wrote.

        Raises
        ------
        KeyError
            If a field is missing.
        ValueError
            If a status is none of `STATUSES`.
        """
        return cls(
            as_of=cast("str", payload["as_of"]),
            strict=cast("bool", payload["strict"]),
            gate=cast("Gate", payload["gate"]),
            rows=tuple(
                SymbolHealth.from_payload(row) for row in cast("list[Payload]", payload["symbols"])
            ),
        )


def assess(panel: Panel, as_of: object, calendar: Calendar, params: DataParams) -> HealthReport:
    """Return the health of every symbol of `panel` at the decision date.

    Parameters
    ----------
    panel : Panel
        The rows of the lookback, none after `as_of`; fewer early in the history.
    as_of : date or datetime64[D]
        Decision date.
    calendar : Calendar
        On which days a bar is expected.
    params : DataParams
        Limits.

    Raises
    ------
    ValueError
        If the panel has no rows, or one after `as_of`.
    """
    day = np.datetime64(as_of, "D")  # type: ignore[call-overload]
    if not len(panel.dates) or panel.dates[-1] > day:
        last = panel.dates[-1] if len(panel.dates) else "no row"
        msg = f"expected rows up to the decision date {day}, found {last}"
        raise ValueError(msg)
    gap = tolerated_gap(calendar, params.tolerated_gap_sessions)
    rows = tuple(
        _judge(found, list(_findings(found, day, gap, calendar, params)))
        for found in measure(panel, day, calendar, gap)
    )
    return HealthReport(iso(day), params.strict_health, _gate(rows, params.strict_health), rows)


def _gate(rows: tuple[SymbolHealth, ...], strict: bool) -> Gate:  # noqa: FBT001 - a parameter
    """Return `closed` if too few symbols are usable or, when strict, one is stale or degraded."""
    statuses = [row.status for row in rows]
    usable = statuses.count("ok") + statuses.count("closed")
    unhealthy = statuses.count("stale") + statuses.count("degraded")
    return "closed" if usable < LEAST_SYMBOLS or (strict and unhealthy) else "open"


def _judge(found: Coverage, findings: list[Finding]) -> SymbolHealth:
    """Return the health of a symbol: the status of its first finding that has one."""
    statuses = [status for status, _ in findings if status is not None]
    return SymbolHealth(
        symbol=found.symbol,
        status=statuses[0] if statuses else "ok",
        bars=found.bars,
        expected=found.expected,
        missing=found.missing,
        largest_gap=found.largest_gap,
        tolerated=found.tolerated,
        last_date=None if found.last_date is None else iso(found.last_date),
        stale=None if found.last_date is None else found.stale,
        deviation=found.deviation,
        largest_return=found.largest_return,
        reasons=tuple(reason for _, reason in findings),
    )


def _findings(
    found: Coverage, as_of: np.datetime64, gap: int, calendar: Calendar, params: DataParams
) -> Iterator[Finding]:
    """Yield what is to be said about a symbol; the order is that of the module docstring."""
    if found.last_date is None:
        yield "missing", f"no bar in the lookback up to {as_of}"
        return
    floor = params.floor_days
    if found.bars < floor and found.listed < floor:
        since = f"listed for {found.listed} sessions since {found.first_date}"
        yield "dropped", f"{found.bars} bars, floor_days {floor}: {since}"
    yield from _movement(found, params)
    if found.stale:
        status: Status | None = "stale" if found.stale > params.stale_sessions else None
        limit = f"stale_sessions {params.stale_sessions}"
        yield status, f"{found.stale} sessions since the last bar on {found.last_date}, {limit}"
    yield from _holes(found, gap, params)
    if found.largest_return is not None and found.largest_return > params.return_limit:
        limit = f"return_limit {params.return_limit:g}"
        yield "degraded", f"largest absolute return {found.largest_return:.6g}, {limit}"
    if found.bars < floor <= found.listed:
        yield "dropped", f"{found.bars} bars in {found.listed} sessions, floor_days {floor}"
    if not found.stale and found.last_date < as_of:
        yield "closed", f"last bar on {found.last_date}, no session of {calendar.name} since"
    if found.off_session:
        yield None, f"{found.off_session} bars on days that are no session of {calendar.name}"


def _movement(found: Coverage, params: DataParams) -> Iterator[Finding]:
    if found.deviation is None:
        yield "dropped", f"{found.bars} bars, two returns need three"
    elif found.deviation <= params.zero_variance_limit:
        limit = f"zero_variance_limit {params.zero_variance_limit:g}"
        yield "dropped", f"standard deviation of returns {found.deviation:.6g}, {limit}"


def _holes(found: Coverage, gap: int, params: DataParams) -> Iterator[Finding]:
    if found.holes:
        longest = f"the longest of {found.largest_gap}"
        yield "degraded", f"{found.holes} holes of more than {gap} sessions, {longest}"
    if found.missing * 100.0 > params.tolerated_total_pct * found.expected:
        limit = f"tolerated_total_pct {params.tolerated_total_pct:g}"
        yield "degraded", f"{found.missing} of {found.expected} sessions missing, {limit}"
    if found.tolerated:
        yield None, f"{found.tolerated} sessions missing in holes of at most {gap}, tolerated"

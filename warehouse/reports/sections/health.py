"""Section 8: health of the data, outcomes of the solvers, regimes through time."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from warehouse.reports import svg
from warehouse.reports.page import Column, Key, Line, Table
from warehouse.reports.sections.regimes import REGIMES, regimes_found
from warehouse.reports.subject import Book
from warehouse.reports.wording import ABSENT, MINUS, count, day, percent, plural, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from warehouse.reports.evidence import Answer, Evidence, Row
    from warehouse.reports.subject import Subject

MOST_SYMBOLS = 60
"""Symbols with a row of their own in the map, least healthy first."""

MOST_FAILURES = 100

STATUSES = {
    "ok": "s-ok low",
    "closed": "s-closed low",
    "stale": "s-stale half",
    "degraded": "s-degraded full",
    "missing": "s-missing full",
    "dropped": "s-dropped half",
}
"""Status -> class of a cell; how tall it is tells it without the colour."""

_REGIME_CLASSES = dict(
    zip(REGIMES, ("r-crisis full", "r-turbulent full", "r-normal half", "r-quiet low"), strict=True)
)


@dataclass(frozen=True, slots=True)
class Health:
    """Maps of symbols and regimes by window, failures, solves and fallbacks."""

    maps: tuple[Table, ...]
    map_keys: tuple[Key, ...]
    failures: Table
    solver: Table
    fallbacks_by_regime: Table
    fallbacks: Table
    regimes: tuple[Table, ...]


def tell_health(evidence: Evidence, subject: Subject) -> Health:
    """Return what was healthy and what was not."""
    run = {"run_id": subject.run_id}
    spans = evidence.ask("health_spans", **run)
    found = {row.text("status") for row in spans}
    return Health(
        _maps(evidence, subject, spans),
        tuple(Key(f"cell {css}", name) for name, css in STATUSES.items() if name in found),
        _failures(evidence, spans),
        _solver(evidence, subject),
        _fallbacks_by_regime(evidence, evidence.ask("fallbacks_by_regime", **run)),
        _fallbacks(evidence, evidence.ask("fallbacks", **run)),
        _regimes(evidence, subject, evidence.ask("regimes", **run)),
    )


def _maps(evidence: Evidence, subject: Subject, spans: Answer) -> tuple[Table, ...]:
    """Return one map for each sleeve: a row for each symbol, a cell for each window."""
    sleeves: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in spans:
        sleeves[row.text("sleeve")][row.text("symbol")].append(row)
    return tuple(
        _map(evidence, sleeve, sleeves[sleeve], spans.name)
        for sleeve in sorted(sleeves, key=subject.place)
    )


def _map(evidence: Evidence, sleeve: str, symbols: dict[str, list[Row]], query: str) -> Table:
    rows = [row for spans in symbols.values() for row in spans]
    first = min(row.count("first_window") for row in rows)
    length = max(row.count("last_window") for row in rows) - first + 1
    order = sorted(symbols, key=lambda symbol: (-_unhealthy(symbols[symbol]), symbol))
    shown = sorted(order[:MOST_SYMBOLS])
    lines = tuple(
        Line(
            (symbol, _spelled(symbols[symbol])),
            evidence.cite(symbols[symbol][0]),
            strip=svg.strip(
                [
                    (
                        row.count("first_window") - first,
                        row.count("last_window") - first,
                        f"cell {STATUSES.get(row.text('status'), 's-missing full')}",
                    )
                    for row in symbols[symbol]
                ],
                length,
                f"{symbol}: {_spelled(symbols[symbol])}",
            ),
        )
        for symbol in shown
    )
    begin = min(row.day("first_date") for row in rows)
    end = max(row.day("last_date") for row in rows)
    caption = f"{sleeve}: {plural(length, 'window')}, decided {begin} to {end}"
    columns = (Column("Symbol", "code"), Column("windows by status", "text"))
    omitted = len(symbols) - len(shown)
    return Table(f"health-{sleeve}", caption, columns, lines, query, omitted=omitted)


def _unhealthy(rows: Sequence[Row]) -> int:
    return sum(_windows(row) for row in rows if row.text("status") not in ("ok", "closed"))


def _windows(row: Row) -> int:
    return row.count("last_window") - row.count("first_window") + 1


def _spelled(rows: Sequence[Row]) -> str:
    totals: dict[str, int] = defaultdict(int)
    for row in rows:
        totals[row.text("status")] += _windows(row)
    order = sorted(totals, key=lambda status: (-totals[status], status))
    return ", ".join(f"{count(totals[status])} {status}" for status in order)


def _failures(evidence: Evidence, spans: Answer) -> Table:
    rows = [row for row in spans if row.text("status") not in ("ok", "closed")]
    columns = (
        Column("Sleeve", "text"),
        Column("symbol", "code"),
        Column("status", "text"),
        Column("windows"),
        Column("first", "date"),
        Column("last", "date"),
        Column("reasons of the first", "text"),
    )
    lines = tuple(
        Line(
            (
                row.text("sleeve"),
                row.text("symbol"),
                row.text("status"),
                count(_windows(row)),
                day(row.day("first_date")),
                day(row.day("last_date")),
                row.maybe_text("reasons") or ABSENT,
            ),
            evidence.cite(row),
        )
        for row in rows[:MOST_FAILURES]
    )
    return Table(
        "health-failures-table",
        "Health checks that were not ok",
        columns,
        lines,
        spans.name,
        omitted=len(rows) - len(lines),
        empty="None: every symbol was ok in every window.",
    )


def _solver(evidence: Evidence, subject: Subject) -> Table:
    answer = evidence.ask("solver", run_id=subject.run_id)
    told: dict[Book, list[str]] = defaultdict(list)
    for row in evidence.ask("residuals", run_id=subject.run_id):
        told[Book.of(row)].append(f"{words(row.text('name'))} {tiny(row.maybe('largest'))}")
    columns = (
        Column("Sleeve and cell", "text"),
        Column("solves"),
        Column("optimal"),
        Column("closed form"),
        Column("inaccurate"),
        Column("failed"),
        Column("fallbacks"),
        Column("most iterations"),
        Column("largest residuals", "text"),
    )
    names = ("solves", "optimal", "closed_form", "inaccurate", "failed", "fallbacks")
    lines = tuple(
        Line(
            (
                Book.of(row).name,
                *(count(row.count(name)) for name in names),
                count(row.maybe_count("most_iterations")),
                ", ".join(told[Book.of(row)]) or ABSENT,
            ),
            evidence.cite(row),
            "fail" if row.count("failed") else "",
        )
        for row in answer
    )
    caption = "Outcomes of the solves"
    also = ("residuals",)
    return Table("solver-table", caption, columns, lines, answer.name, also=also)


def tiny(value: float | None) -> str:
    """Return a residual with two digits; some are counts."""
    return ABSENT if value is None else f"{value:.2g}".replace("-", MINUS)


def _fallbacks_by_regime(evidence: Evidence, answer: Answer) -> Table:
    columns = (
        Column("Engine asked for", "text"),
        Column("regime", "text"),
        Column("solves"),
        Column("fell back"),
        Column("rate"),
        Column("failed"),
    )
    lines = tuple(
        Line(
            (
                row.text("engine"),
                row.text("regime"),
                count(row.count("solves")),
                count(row.count("fallbacks")),
                percent(row.count("fallbacks") / row.count("solves")),
                count(row.count("failed")),
            ),
            evidence.cite(row),
        )
        for row in answer
    )
    caption = "Fallbacks by engine and regime"
    return Table("fallbacks-by-regime-table", caption, columns, lines, answer.name)


def _fallbacks(evidence: Evidence, answer: Answer) -> Table:
    columns = (
        Column("Sleeve and cell", "text"),
        Column("tried", "text"),
        Column("status", "text"),
        Column("reason", "text"),
        Column("used", "text"),
        Column("decisions"),
        Column("first", "date"),
        Column("last", "date"),
    )
    lines = tuple(
        Line(
            (
                Book.of(row).name,
                f"{row.text('tried_engine')} · {words(row.text('tried_risk_profile'))}",
                words(row.text("tried_status")),
                row.maybe_text("reason") or ABSENT,
                f"{row.text('actual_engine')} · {words(row.text('actual_risk_profile'))}",
                count(row.count("decisions")),
                day(row.day("first_date")),
                day(row.day("last_date")),
            ),
            evidence.cite(row),
        )
        for row in answer
    )
    empty = "None: every solve used the engine and risk profile asked for."
    caption = "Attempts that failed before the solve that was used"
    return Table("fallbacks-table", caption, columns, lines, answer.name, empty=empty)


def _regimes(evidence: Evidence, subject: Subject, answer: Answer) -> tuple[Table, ...]:
    """Return one timeline for each sleeve: a row for each regime, a cell for each window."""
    sleeves: dict[str, list[Row]] = defaultdict(list)
    for row in answer:
        sleeves[row.text("sleeve")].append(row)
    return tuple(
        _timeline(evidence, sleeve, sleeves[sleeve], answer.name)
        for sleeve in sorted(sleeves, key=subject.place)
    )


def _timeline(evidence: Evidence, sleeve: str, rows: list[Row], query: str) -> Table:
    first = min(row.count("window_ordinal") for row in rows)
    length = max(row.count("window_ordinal") for row in rows) - first + 1
    lines = []
    for regime in regimes_found(rows):
        mine = [row for row in rows if row.text("regime") == regime]
        share = f"{plural(len(mine), 'window')}, {percent(len(mine) / len(rows))}"
        cells = [
            (at, at, f"cell {_REGIME_CLASSES.get(regime, 'r-quiet full')}")
            for at in (row.count("window_ordinal") - first for row in mine)
        ]
        strip = svg.strip(merged(cells), length, f"{regime}: {share}")
        lines.append(Line((regime, share), evidence.cite(mine[-1]), strip=strip))
    ends = f"{day(rows[0].day('as_of_date'))} to {day(rows[-1].day('as_of_date'))}"
    caption = f"{sleeve}: {plural(len(rows), 'window')}, decided {ends}; the record is the latest"
    columns = (Column("Regime", "text"), Column("share", "text"))
    return Table(f"regimes-{sleeve}", caption, columns, tuple(lines), query)


def merged(cells: Sequence[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Return ascending spans with neighbours of one class joined."""
    out: list[tuple[int, int, str]] = []
    for first, last, css in cells:
        if out and out[-1][2] == css and out[-1][1] + 1 == first:
            out[-1] = (out[-1][0], last, css)
        else:
            out.append((first, last, css))
    return out

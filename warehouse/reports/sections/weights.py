"""Section 6: weights through time, turnover, costs, and how full the caps were."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from warehouse.reports import charts, svg
from warehouse.reports.page import Chart, Column, Key, Line, Table
from warehouse.reports.sections.regimes import held_for
from warehouse.reports.subject import META, Book
from warehouse.reports.wording import (
    ABSENT,
    basis_points,
    count,
    day,
    decimal,
    percent,
    small,
    words,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from warehouse.reports.charts import Span
    from warehouse.reports.evidence import Answer, Evidence, Row
    from warehouse.reports.subject import Subject

MOST_LAYERS = 12
"""Symbols with an area of their own; the others share the last area."""

MOST_BREACHES = 100


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights, turnover and caps; a chart is `None` where nothing was recorded."""

    weights: Chart | None
    turnover: Chart | None
    caps: Chart | None
    limits: Table
    breaches: Table
    relaxations: Table


@dataclass(frozen=True, slots=True)
class Stack:
    """Weights by symbol and window.

    Attributes
    ----------
    spans : tuple of Span
        One for each window.
    symbols : tuple of str
        Largest mean weight first.
    weights : dict of str to tuple of float
        Symbol -> weight in each window, 0 where it is not held.
    rows : tuple of Row
        A row of each window, for its date and record.
    """

    spans: tuple[Span, ...]
    symbols: tuple[str, ...]
    weights: dict[str, tuple[float, ...]]
    rows: tuple[Row, ...]

    @classmethod
    def of(cls, answer: Answer) -> Stack | None:
        """Return the weights of an answer with window, symbol and weight."""
        windows: dict[int, dict[str, float]] = defaultdict(dict)
        first: dict[int, Row] = {}
        for row in answer:
            number = row.maybe_count("window_ordinal") or 0
            windows[number][row.text("symbol")] = row.real("weight")
            first.setdefault(number, row)
        if not windows:
            return None
        order = sorted(windows)
        totals: dict[str, float] = defaultdict(float)
        for number in order:
            for symbol, weight in windows[number].items():
                totals[symbol] += weight
        symbols = tuple(sorted(totals, key=lambda symbol: (-totals[symbol], symbol)))
        weights = {s: tuple(windows[n].get(s, 0.0) for n in order) for s in symbols}
        rows = tuple(first[number] for number in order)
        return cls(tuple(held_for(row) for row in rows), symbols, weights, rows)

    def layers(self, most: int = MOST_LAYERS) -> list[tuple[str, tuple[float, ...]]]:
        """Return at most `most` symbols by name and the rest as one, largest first."""
        named = self.symbols[:most] if len(self.symbols) > most + 1 else self.symbols
        layers = [(symbol, self.weights[symbol]) for symbol in named]
        rest = self.symbols[len(named) :]
        if rest:
            columns = zip(*(self.weights[symbol] for symbol in rest), strict=True)
            layers.append((f"the other {len(rest)} symbols", tuple(sum(c) for c in columns)))
        return layers


def tell_weights(evidence: Evidence, subject: Subject) -> Weights:
    """Return the weights of the main book and the limits of every book."""
    run = {"run_id": subject.run_id}
    return Weights(
        _weights(evidence, subject),
        _turnover(evidence, subject),
        _caps(evidence, subject),
        _limits(evidence, evidence.ask("limits", **run)),
        _breaches(evidence, evidence.ask("breaches", **run)),
        _relaxations(evidence, evidence.ask("relaxations", **run)),
    )


def stack_chart(evidence: Evidence, id_: str, title: str, answer: Answer) -> Chart | None:
    """Return weights as stacked areas with their table, or `None` without weights."""
    stack = Stack.of(answer)
    if stack is None:
        return None
    layers = stack.layers()
    scale = charts.time_scale(stack.spans[0].first, stack.spans[-1].last)
    box = charts.panel(14, 280)
    body = charts.stacked_panel(box, scale, stack.spans, [values for _, values in layers])
    last = ", ".join(f"{name} {percent(values[-1])}" for name, values in layers if values[-1] > 0)
    words_ = f"{len(stack.spans)} windows to {stack.spans[-1].last}. In the last window: {last}."
    drawing = svg.drawing(id_, title, words_, (charts.WIDTH, 14 + 280 + charts.AXIS), body)
    keys = tuple(Key(f"layer l{n}", f"{n} {name}") for n, (name, _) in enumerate(layers, start=1))
    columns = (
        Column("Window"),
        Column("decided on", "date"),
        *(Column(name) for name, _ in layers),
    )
    lines = tuple(
        Line(
            (
                count(row.maybe_count("window_ordinal")),
                day(row.day("as_of_date")),
                *(bare(values[i]) for _, values in layers),
            ),
            evidence.cite(row),
        )
        for i, row in enumerate(stack.rows)
    )
    table = Table(f"{id_}-table", "Weights in percent, by window", columns, lines, answer.name)
    return Chart(id_, title, drawing, answer.name, table, keys)


def bare(weight: float) -> str:
    """Return a weight in percent without the sign; nothing where there is none."""
    return decimal(100 * weight, 1) if weight else ""


def book_params(subject: Subject) -> dict[str, str]:
    """Return the parameters that pick the main book of the run; empty names without one."""
    book = subject.main or Book("", "", "")
    return {
        "run_id": subject.run_id,
        "sleeve": book.sleeve,
        "engine": book.engine,
        "risk_profile": book.risk_profile,
    }


def _weights(evidence: Evidence, subject: Subject) -> Chart | None:
    if subject.main is None:
        return None
    name = "flattened_weights" if subject.is_combined else "weights"
    what = "Weights in physical symbols of" if subject.is_combined else "Target weights of"
    answer = evidence.ask(name, **book_params(subject))
    return stack_chart(evidence, "weights", f"{what} {subject.main.name}", answer)


def _turnover(evidence: Evidence, subject: Subject) -> Chart | None:
    rows = list(evidence.ask("main_windows", **book_params(subject)))
    if not rows or subject.main is None:
        return None
    spans = [charts.Span(row.day("first_date"), row.day("last_date")) for row in rows]
    scale = charts.time_scale(spans[0].first, spans[-1].last)
    upper, lower = charts.panel(charts.TITLE, 110), charts.panel(2 * charts.TITLE + 120, 80)
    turnover = [row.real("turnover_one_way") for row in rows]
    costs = [row.real("cost_total") for row in rows]
    body = (
        charts.heading(upper, "Turnover, one-way, of each window"),
        charts.bar_panel(upper, scale, spans, turnover, lambda value: percent(value, 0)),
        charts.dates_below(upper, scale, labels=False),
        charts.heading(lower, "Cost of each window, basis points of NAV"),
        charts.bar_panel(lower, scale, spans, costs, lambda value: basis_points(value, 1)),
        charts.dates_below(lower, scale),
    )
    title = f"Turnover and cost of {subject.main.name}"
    mean = sum(turnover) / len(turnover)
    words_ = (
        f"{len(rows)} windows; turnover {percent(mean)} on average, at most "
        f"{percent(max(turnover))}; cost at most {basis_points(max(costs))} basis points."
    )
    size = (charts.WIDTH, round(lower.bottom + charts.AXIS))
    drawing = svg.drawing("turnover", title, words_, size, *body)
    table = _window_table(evidence, rows)
    note = ""
    if charts.is_first_cut(turnover):
        note = (
            f"The first window buys everything from cash: turnover {percent(turnover[0])}, cost "
            f"{basis_points(costs[0])} basis points. Its bars are cut off."
        )
    return Chart("turnover", title, drawing, "main_windows", table, note=note)


def _window_table(evidence: Evidence, rows: Sequence[Row]) -> Table:
    columns = (
        Column("Window"),
        Column("first day", "date"),
        Column("last day", "date"),
        Column("net return"),
        Column("turnover"),
        *(Column(name, group="cost, bps of NAV") for name in ("slippage", "commission", "total")),
        Column("trades"),
        Column("largest drift"),
        Column("urgency", "text"),
    )
    lines = tuple(
        Line(
            (
                count(row.maybe_count("window_ordinal")),
                day(row.day("first_date")),
                day(row.day("last_date")),
                percent(row.maybe("net_return"), 2),
                percent(row.maybe("turnover_one_way")),
                basis_points(row.maybe("slippage_cost"), 2),
                basis_points(row.maybe("commission_cost"), 2),
                basis_points(row.maybe("cost_total"), 2),
                count(row.maybe_count("trade_count")),
                percent(row.maybe("largest_drift")),
                row.maybe_text("urgency") or ABSENT,
            ),
            evidence.cite(row),
        )
        for row in rows
    )
    return Table("windows-table", "Windows of the main book", columns, lines, "main_windows")


def _caps(evidence: Evidence, subject: Subject) -> Chart | None:
    """Return one panel for each book that the main one is made of: clusters, or sleeves."""
    answer = evidence.ask("cap_usage", **book_params(subject))
    books: dict[tuple[Book, str], list[Row]] = defaultdict(list)
    for row in answer:
        if row.text("kind") == ("symbol_cap" if row.text("sleeve") == META else "cluster_cap"):
            books[Book.of(row), row.text("kind")].append(row)
    if not books:
        return None
    books = dict(sorted(books.items(), key=lambda item: subject.place(item[0][0].sleeve)))
    every = [row for rows in books.values() for row in rows]
    spans = [held_for(row) for row in every]
    scale = charts.time_scale(min(s.first for s in spans), max(s.last for s in spans))
    parts, top = [], float(charts.TITLE)
    for (book, kind), rows in books.items():
        box = charts.panel(top, 84)
        parts.append(charts.heading(box, _cap_heading(book, kind)))
        values, caps = ([row.real(c) for row in rows] for c in ("value", "threshold"))
        parts.append(charts.cap_panel(box, scale, [held_for(row) for row in rows], values, caps))
        top += 84 + 8 + charts.TITLE
        parts.append(charts.dates_below(box, scale, labels=len(parts) + 1 == 3 * len(books)))
    fullest = max(every, key=lambda row: row.maybe("usage") or 0.0)
    words_ = (
        f"{len(every)} window decisions; the fullest cap was used to "
        f"{percent(fullest.maybe('usage'))} on {fullest.day('as_of_date')}."
    )
    size = (charts.WIDTH, round(top - charts.TITLE - 8 + charts.AXIS))
    title = "Fullest cap of each window"
    drawing = svg.drawing("caps", title, words_, size, Markup().join(parts))
    keys = (Key("area used", "largest weight under a cap"), Key("line cap", "cap in force"))
    return Chart("caps", title, drawing, answer.name, _cap_table(evidence, every), keys)


def _cap_heading(book: Book, kind: str) -> str:
    what = "largest sleeve" if kind == "symbol_cap" else "largest cluster"
    return f"{book.name}: {what}"


def _cap_table(evidence: Evidence, rows: Sequence[Row]) -> Table:
    columns = (
        Column("Sleeve", "text"),
        Column("window"),
        Column("decided on", "date"),
        Column("regime", "text"),
        Column("fullest", "code"),
        Column("weight"),
        Column("cap"),
        Column("asked for"),
        Column("binding"),
        Column("exceeded"),
    )
    lines = tuple(
        Line(
            (
                row.text("sleeve"),
                count(row.maybe_count("window_ordinal")),
                day(row.day("as_of_date")),
                row.maybe_text("regime") or ABSENT,
                row.text("name"),
                percent(row.real("value"), 2),
                percent(row.real("threshold"), 2),
                percent(row.maybe("requested_threshold"), 2),
                count(row.count("binding")),
                count(row.count("breached")),
            ),
            evidence.cite(row),
            "fail" if row.count("breached") else "",
        )
        for row in rows
    )
    return Table("caps-table", "Fullest cap of each window", columns, lines, "cap_usage")


def _limits(evidence: Evidence, answer: Answer) -> Table:
    columns = (
        Column("Sleeve and cell", "text"),
        Column("limit", "text"),
        Column("checked"),
        Column("binding"),
        Column("exceeded"),
        Column("largest excess"),
    )
    lines = tuple(
        Line(
            (
                Book.of(row).name,
                words(row.text("kind")),
                count(row.count("checks")),
                count(row.count("binding")),
                count(row.count("breached")),
                small(row.maybe("largest_excess")),
            ),
            evidence.cite(row),
            "fail" if row.count("breached") else "",
        )
        for row in answer
    )
    caption = "Limits of every book, checked after each solve"
    return Table("limits-table", caption, columns, lines, answer.name)


def _breaches(evidence: Evidence, answer: Answer) -> Table:
    columns = (
        Column("Sleeve and cell", "text"),
        Column("decided on", "date"),
        Column("limit", "code"),
        Column("value"),
        Column("allowed"),
        Column("excess"),
        Column("regime", "text"),
    )
    lines = tuple(
        Line(
            (
                Book.of(row).name,
                day(row.day("as_of_date")),
                f"{words(row.text('kind'))} {row.text('name')}",
                percent(row.real("value"), 2),
                percent(row.real("threshold"), 2),
                small(row.maybe("excess")),
                row.maybe_text("regime") or ABSENT,
            ),
            evidence.cite(row),
            "fail",
        )
        for row in list(answer)[:MOST_BREACHES]
    )
    omitted = len(answer) - len(lines)
    empty = "None: no limit was exceeded."
    return Table(
        "breaches-table",
        "Limits exceeded",
        columns,
        lines,
        answer.name,
        omitted=omitted,
        empty=empty,
    )


def _relaxations(evidence: Evidence, answer: Answer) -> Table:
    pair = ("asked for", "applied")
    columns = (
        Column("Sleeve and cell", "text"),
        Column("regime", "text"),
        Column("rule", "text"),
        *(Column(name, group="symbol cap") for name in pair),
        *(Column(name, group="cluster cap") for name in pair),
        Column("decisions"),
        Column("first", "date"),
        Column("last", "date"),
    )
    lines = tuple(
        Line(
            (
                Book.of(row).name,
                row.maybe_text("regime") or ABSENT,
                row.text("cap_rule"),
                percent(row.maybe("symbol_cap_requested"), 1),
                percent(row.maybe("symbol_cap"), 1),
                percent(row.maybe("cluster_cap_requested"), 1),
                percent(row.maybe("cluster_cap"), 1),
                count(row.count("decisions")),
                day(row.maybe_day("first_date")),
                day(row.maybe_day("last_date")),
            ),
            evidence.cite(row),
        )
        for row in answer
    )
    empty = "None: every cap was applied as asked for."
    caption = "Caps that could not sum to 1, and what the rule made of them"
    return Table("relaxations-table", caption, columns, lines, answer.name, empty=empty)

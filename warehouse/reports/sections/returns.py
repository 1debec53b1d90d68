"""Compliance section 8: hypothetical performance, linked, with what it was assumed and tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.reports import charts, scatter, svg
from warehouse.reports.document import Heading, Prose, tabulate
from warehouse.reports.page import Chart, Column, Key, Line, Table
from warehouse.reports.sections.assumptions import tell_assumptions
from warehouse.reports.sections.performance import book_params, tell_performance
from warehouse.reports.subject import Book
from warehouse.reports.wording import ABSENT, count, day, decimal, percent

if TYPE_CHECKING:
    from warehouse.reports.document import Block
    from warehouse.reports.evidence import Evidence, Row
    from warehouse.reports.request import Request
    from warehouse.reports.subject import Subject

BANNER = (
    "Hypothetical performance. Every return in this section is back-tested: computed afterwards, "
    "on recorded prices, by rules chosen with knowledge of the period. No money was invested."
)
_LIMITS = (
    "Trades happen at the closing price of the decision date plus slippage and commission. Market "
    "impact, taxes, borrowing, and the spread beyond slippage are not modelled. Days without a "
    "price, and symbols that have disappeared from the source, are not in these returns."
)
_UNSCORED = (
    "No tournament was scored up to the head, so no probabilistic or deflated Sharpe ratio and no "
    "probability of overfitting is recorded. The number of cells that were tried is."
)


def tell_returns(evidence: Evidence, subject: Subject, request: Request) -> tuple[Block, ...]:
    """Return the performance of the run over the period; the banner always."""
    told = tell_performance(evidence, subject)
    assumptions = tell_assumptions(evidence, subject)
    head: tuple[Block, ...] = (Prose(BANNER, "banner"), Prose(_LIMITS), assumptions.table)
    if told is None:
        absent = Prose(f"No book of this run was measured {request.spoken}.", "none")
        return (*head, absent, *_trials(evidence, subject))
    return (
        *head,
        _period(evidence, subject, request),
        told.curve,
        rolling_chart(evidence, subject),
        told.months,
        told.metrics,
        told.checks,
        *_trials(evidence, subject),
        assumptions.parameters,
    )


def _period(evidence: Evidence, subject: Subject, request: Request) -> Table:
    return tabulate(
        evidence,
        evidence.ask("period_returns", run_id=subject.run_id),
        "period-returns-table",
        f"Linked returns {request.spoken}, gross and net; a return a year only from one year on",
        (
            (Column("Sleeve and cell", "text"), lambda row: Book.of(row).name),
            (Column("first day", "date"), lambda row: day(row.day("first_date"))),
            (Column("last day", "date"), lambda row: day(row.day("last_date"))),
            (Column("days"), lambda row: count(row.count("day_count"))),
            (Column("gross"), lambda row: percent(row.real("gross_return"), 2)),
            (Column("net"), lambda row: percent(row.real("net_return"), 2)),
            (Column("net a year"), lambda row: percent(row.maybe("net_annual_return"), 2)),
            (Column("volatility"), lambda row: percent(row.maybe("net_volatility"))),
            (Column("Sharpe ratio"), lambda row: decimal(row.maybe("net_sharpe"))),
            (Column("drawdown"), lambda row: percent(row.maybe("largest_drawdown"))),
            (Column("costs"), lambda row: percent(row.maybe("cost_total"), 2)),
        ),
        empty=f"No return was recorded {request.spoken}.",
        tone=lambda row: "main" if Book.of(row) == subject.main else "",
    )


def _trials(evidence: Evidence, subject: Subject) -> tuple[Block, ...]:
    trials = evidence.ask("trials", run_id=subject.run_id).first
    assert trials is not None  # noqa: S101 - an aggregate without GROUP BY has one row
    scores = evidence.ask("scores")
    said = (
        f"{count(trials.count('trials'))} cells were tried in the ledger up to the head, "
        f"{count(trials.count('trials_of_run'))} of them in this run; "
        f"{count(trials.count('without_result'))} gave no result."
    )
    blocks: list[Block] = [Heading("Trials", "trials"), Prose(said)]
    blocks.append(_scores(evidence) if len(scores) else Prose(_UNSCORED, "none"))
    chart = halves_chart(evidence, subject) if subject.books else None
    return (*blocks, *([] if chart is None else [chart]))


def _scores(evidence: Evidence) -> Table:
    return tabulate(
        evidence,
        evidence.ask("scores"),
        "scores-table",
        "Scoreboards: Sharpe ratio, and what is left of it after the number of trials",
        (
            (Column("Run", "code"), lambda row: row.text("run_id")),
            (Column("cell", "text"), lambda row: Book.of(row).name),
            (Column("rank"), lambda row: count(row.maybe_count("score_rank"))),
            (Column("trials"), lambda row: count(row.maybe_count("trial_count"))),
            (Column("Sharpe ratio"), lambda row: decimal(row.maybe("net_sharpe"))),
            (Column("probabilistic"), lambda row: percent(row.maybe("probabilistic_sharpe"))),
            (Column("deflated"), lambda row: percent(row.maybe("deflated_sharpe"))),
            (
                Column("overfitting"),
                lambda row: percent(row.maybe("overfitting_probability")),
            ),
            (Column("failure", "text"), lambda row: row.maybe_text("failure") or ABSENT),
        ),
        empty=_UNSCORED,
    )


def rolling_chart(evidence: Evidence, subject: Subject) -> Chart:
    """Return the Sharpe ratio of the main book over 63 days, with its value at month ends."""
    params = book_params(subject)
    answer = evidence.ask("rolling_sharpe", periods_per_year=subject.periods_per_year, **params)
    rows = [row for row in answer if row.maybe("sharpe") is not None]
    title = "Sharpe ratio over 63 days, net"
    days = [row.day("return_date") for row in answer]
    box = charts.panel(charts.TITLE, 110)
    size = (charts.WIDTH, charts.TITLE + 110 + charts.AXIS)
    values = tuple(row.real("sharpe") for row in rows)
    series = charts.Daily(tuple(row.day("return_date") for row in rows), values)
    body = charts.ratio_panel(box, charts.time_scale(days[0], days[-1]), series, title)
    extent = f"between {decimal(min(values))} and {decimal(max(values))}" if values else "nowhere"
    said = f"From {days[0]} to {days[-1]} it lay {extent}. Month ends are in the table."
    return Chart(
        "rolling-sharpe",
        title,
        svg.drawing("rolling-sharpe", title, said, size, body),
        answer.name,
        _month_ends(evidence, answer.name, rows),
    )


def _month_ends(evidence: Evidence, query: str, rows: list[Row]) -> Table:

    last = {row.day("return_date").isoformat()[:7]: row for row in rows}
    lines = tuple(
        Line((day(row.day("return_date")), decimal(row.real("sharpe"))), evidence.cite(row))
        for row in last.values()
    )
    columns = (Column("Last day of the month", "date"), Column("Sharpe ratio over 63 days"))
    empty = "No 63 days of returns stand in a row."
    return Table("rolling-sharpe-table", "Month ends", columns, lines, query, empty=empty)


def halves_chart(evidence: Evidence, subject: Subject) -> Chart | None:
    """Return the Sharpe ratio of every book, first half of its days against the second."""
    answer = evidence.ask(
        "halves", run_id=subject.run_id, periods_per_year=subject.periods_per_year
    )
    rows = [r for r in answer if None not in (r.maybe("first_sharpe"), r.maybe("second_sharpe"))]
    if not rows:
        return None
    hurdles = [
        row.real("expected_maximum_sharpe")
        for row in evidence.ask("scores")
        if row.text("run_id") == subject.run_id and row.maybe("expected_maximum_sharpe") is not None
    ]
    hurdle = max(hurdles) if hurdles else None
    points = [
        scatter.Point(r.real("first_sharpe"), r.real("second_sharpe"), Book.of(r) == subject.main)
        for r in rows
    ]
    title = "Sharpe ratio of every book that was tried: first half of its days, second half"
    said = (
        f"{len(points)} books; the main one is the filled mark. Below the diagonal the second half "
        "was worse than the first."
    )
    note = (
        "No tournament of this run was scored: there is no hurdle for the best of many."
        if hurdle is None
        else f"The line is the Sharpe ratio that the best of as many worthless trials would have "
        f"shown: {decimal(hurdle)} (with the deflated Sharpe ratio)."
    )
    table = tabulate(
        evidence,
        answer,
        "halves-table",
        "Sharpe ratio by half",
        (
            (Column("Sleeve and cell", "text"), lambda row: Book.of(row).name),
            (Column("first half"), lambda row: decimal(row.maybe("first_sharpe"))),
            (Column("second half"), lambda row: decimal(row.maybe("second_sharpe"))),
        ),
        empty="",
    )
    drawing = scatter.draw("halves", title, said, points, hurdle)
    keys = (Key("mark main", "main book"), Key("mark", "other books"))
    return Chart("halves", title, drawing, answer.name, table, keys, note)

"""Section 5: what each book earned, gross and net, and how many were tried."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from warehouse.reports import charts, svg
from warehouse.reports.page import Chart, Column, Key, Line, Small, Smalls, Table
from warehouse.reports.sections.regimes import telling_regimes
from warehouse.reports.subject import Book
from warehouse.reports.wording import (
    ABSENT,
    bare_percent,
    count,
    day,
    decimal,
    month,
    multiple,
    percent,
    small,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warehouse.reports.evidence import Answer, Evidence, RecordRef, Row
    from warehouse.reports.subject import Subject

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_HEIGHTS = (220, 80, 80)


@dataclass(frozen=True, slots=True)
class Performance:
    """Table of all books, the curve of the main one, its months, and the others in small."""

    main: Book
    first_date: str
    last_date: str
    trials: Row
    metrics: Table
    checks: Table
    curve: Chart
    months: Table
    others: tuple[Smalls, ...]
    years: Table


def tell_performance(evidence: Evidence, subject: Subject) -> Performance | None:
    """Return the performance of every book, or `None` when none was measured."""
    if subject.main is None or not len(_curve_answer(evidence, subject)):
        return None
    run = {"run_id": subject.run_id}
    metrics = list(evidence.ask("metrics", **run))
    trials = evidence.ask("trials", **run).first
    assert trials is not None  # noqa: S101 - an aggregate without GROUP BY has one row
    refs = {Book.of(row): evidence.cite(row) for row in metrics}
    main = next(row for row in metrics if Book.of(row) == subject.main)
    return Performance(
        subject.main,
        day(main.maybe_day("first_date")),
        day(main.maybe_day("last_date")),
        trials,
        _metrics_table(evidence, subject, metrics),
        _checks(evidence, subject),
        _curve(evidence, subject),
        _months(evidence, subject),
        _others(evidence, subject, refs),
        _years(evidence, subject, refs),
    )


def _metrics_table(evidence: Evidence, subject: Subject, metrics: list[Row]) -> Table:
    pair = ("gross", "net")
    columns = (
        Column("Sleeve and cell", "text"),
        *(Column(basis, group="total return") for basis in pair),
        *(Column(basis, group="a year") for basis in pair),
        Column("volatility"),
        *(Column(basis, group="Sharpe ratio") for basis in pair),
        *(Column(basis, group="largest drawdown") for basis in pair),
        Column("turnover"),
        Column("costs"),
    )
    lines = tuple(
        Line(
            (
                Book.of(row).name,
                *(percent(row.maybe(f"{basis}_total_return")) for basis in pair),
                *(percent(row.maybe(f"{basis}_annual_return")) for basis in pair),
                percent(row.maybe("net_volatility")),
                *(decimal(row.maybe(f"{basis}_sharpe")) for basis in pair),
                *(percent(row.maybe(f"{basis}_max_drawdown")) for basis in pair),
                multiple(row.real("turnover_one_way_total")),
                percent(row.maybe("cost_total"), 2),
            ),
            evidence.cite(row),
            "main" if Book.of(row) == subject.main else "",
        )
        for row in metrics
    )
    main = subject.main.name if subject.main else ABSENT
    caption = f"Every book of the run; the main one is {main}"
    return Table("metrics-table", caption, columns, lines, "metrics")


def _checks(evidence: Evidence, subject: Subject) -> Table:
    answer = evidence.ask("metric_checks", run_id=subject.run_id)
    columns = (
        Column("Sleeve and cell", "text"),
        Column("metrics"),
        Column("equal"),
        Column("largest difference"),
        Column("of", "text"),
    )
    lines = tuple(
        Line(
            (
                Book.of(row).name,
                count(row.count("metrics")),
                count(row.count("equal")),
                small(row.maybe("largest_difference")),
                (row.maybe_text("largest_metric") or ABSENT).replace("_", " "),
            ),
            evidence.cite(row),
            "fail" if row.count("equal") < row.count("metrics") else "",
        )
        for row in answer
    )
    caption = "Recorded metrics against the same metrics computed again in SQL"
    return Table("metric-checks-table", caption, columns, lines, answer.name)


def _curve(evidence: Evidence, subject: Subject) -> Chart:
    rows = list(_curve_answer(evidence, subject))
    days = tuple(row.day("return_date") for row in rows)
    series = {
        name: charts.Daily(days, tuple(row.real(name) for row in rows))
        for name in ("gross_growth", "net_growth", "drawdown")
    }
    rolling = [(row.day("return_date"), row.maybe("volatility")) for row in rows]
    known = [(d, value) for d, value in rolling if value is not None]
    volatility = charts.Daily(tuple(d for d, _ in known), tuple(value for _, value in known))
    scale = charts.time_scale(days[0], days[-1])
    tops, top = [], charts.TITLE
    for height, below in zip(_HEIGHTS, (charts.AXIS, 6, charts.AXIS), strict=True):
        tops.append(charts.panel(top, height))
        top += height + below + charts.TITLE
    sleeve, spans = telling_regimes(evidence, subject)
    body = (
        charts.growth_panel(tops[0], scale, series["net_growth"], series["gross_growth"], spans),
        charts.drawdown_panel(tops[1], scale, series["drawdown"]),
        charts.volatility_panel(tops[2], scale, volatility),
    )
    final = rows[-1]
    words = (
        f"From {days[0]} to {days[-1]} one unit grew to {multiple(final.real('gross_growth'))} "
        f"gross and {multiple(final.real('net_growth'))} net; the largest drawdown of net value "
        f"was {percent(max(series['drawdown'].values))}. Values at month ends are in the table."
    )
    title = f"Growth, drawdown and volatility of {subject.main.name if subject.main else ''}"
    size = (charts.WIDTH, round(top - charts.TITLE))
    return Chart(
        "curve",
        title,
        svg.drawing("curve", title, words, size, *body),
        "main_curve",
        _month_ends(evidence, subject),
        (
            Key("line net", "net of costs"),
            Key("line gross", "gross"),
            Key("band turbulent", f"regime of {sleeve} turbulent"),
            Key("band crisis", f"regime of {sleeve} crisis"),
        ),
    )


def book_params(subject: Subject) -> dict[str, str]:
    """Return the parameters that name the main book of a run."""
    book = subject.main
    assert book is not None  # noqa: S101 - callers return early without a book
    return {
        "run_id": subject.run_id,
        "sleeve": book.sleeve,
        "engine": book.engine,
        "risk_profile": book.risk_profile,
    }


def _curve_answer(evidence: Evidence, subject: Subject) -> Answer:
    periods = subject.periods_per_year
    return evidence.ask("main_curve", periods_per_year=periods, **book_params(subject))


def _month_rows(evidence: Evidence, subject: Subject) -> list[Row]:
    periods = subject.periods_per_year
    return list(evidence.ask("main_months", periods_per_year=periods, **book_params(subject)))


def _month_ends(evidence: Evidence, subject: Subject) -> Table:
    columns = (
        Column("Month", "text"),
        Column("days"),
        *(Column(basis, group="growth of 1") for basis in ("gross", "net")),
        *(Column(basis, group="return") for basis in ("gross", "net")),
        Column("largest drawdown"),
        Column("volatility"),
    )
    lines = tuple(
        Line(
            (
                month(row.day("month")),
                count(row.count("days")),
                decimal(row.real("gross_growth"), 4),
                decimal(row.real("net_growth"), 4),
                percent(row.real("gross_return"), 2),
                percent(row.real("net_return"), 2),
                percent(row.real("worst_drawdown"), 2),
                percent(row.maybe("volatility"), 1),
            ),
            evidence.cite(row),
        )
        for row in _month_rows(evidence, subject)
    )
    caption = "Month ends; drawdown is the largest of the month"
    return Table("month-ends-table", caption, columns, lines, "main_months")


def _months(evidence: Evidence, subject: Subject) -> Table:
    grid: dict[int, dict[int, Row]] = defaultdict(dict)
    for row in _month_rows(evidence, subject):
        grid[row.day("month").year][row.day("month").month] = row
    columns = (
        Column("Year", "text"),
        *(Column(name) for name in _MONTHS),
        Column("year"),
    )
    lines = tuple(
        Line(
            (
                str(year),
                *(
                    bare_percent(months[number].real("net_return")) if number in months else ""
                    for number in range(1, 13)
                ),
                bare_percent(_year_return(months)),
            ),
            evidence.cite(months[max(months)]),
        )
        for year, months in sorted(grid.items())
    )
    caption = "Net return by month, in percent; the record is that of the last window of the year"
    return Table("months-table", caption, columns, lines, "main_months")


def _year_return(months: Mapping[int, Row]) -> float:
    first, last = months[min(months)], months[max(months)]
    before = first.real("net_growth") / (1 + first.real("net_return"))
    return last.real("net_growth") / before - 1


def _others(
    evidence: Evidence, subject: Subject, refs: Mapping[Book, RecordRef]
) -> tuple[Smalls, ...]:
    curves: dict[Book, list[Row]] = defaultdict(list)
    for row in evidence.ask("curves", run_id=subject.run_id):
        curves[Book.of(row)].append(row)
    others = [book for book in subject.books if book != subject.main and book in curves]
    values = [
        value
        for book in others
        for row in curves[book]
        for value in (row.real("gross_growth"), row.real("net_growth"))
        if value > 0
    ]
    bounds = (min(*values, 0.99), max(*values, 1.01)) if values else (0.99, 1.01)
    sleeves: dict[str, list[Small]] = defaultdict(list)
    for number, book in enumerate(others, start=1):
        drawn = _small(number, book, curves[book], bounds, refs[book])
        sleeves[book.sleeve].append(drawn)
    return tuple(Smalls(sleeve, tuple(smalls)) for sleeve, smalls in sleeves.items())


def _small(
    number: int, book: Book, rows: list[Row], bounds: tuple[float, float], ref: RecordRef
) -> Small:
    days = tuple(row.day("return_date") for row in rows)
    net = charts.Daily(days, tuple(row.real("net_growth") for row in rows))
    gross = charts.Daily(days, tuple(row.real("gross_growth") for row in rows))
    drawing = charts.small_growth(f"small-{number}", book.name, net, gross, bounds)
    return Small(book.cell, multiple(net.values[-1]), drawing, ref)


def _years(evidence: Evidence, subject: Subject, refs: Mapping[Book, RecordRef]) -> Table:
    grid: dict[Book, dict[int, float]] = defaultdict(dict)
    for row in evidence.ask("years", run_id=subject.run_id):
        grid[Book.of(row)][row.count("year")] = row.real("net_return")
    years = sorted({year for returns in grid.values() for year in returns})
    columns = (Column("Sleeve and cell", "text"), *(Column(str(year)) for year in years))
    lines = tuple(
        Line(
            (
                book.name,
                *(bare_percent(grid[book][y]) if y in grid[book] else ABSENT for y in years),
            ),
            refs[book],
            "main" if book == subject.main else "",
        )
        for book in subject.books
    )
    caption = "Net return by year, in percent; the first and last year may be partial"
    return Table("years-table", caption, columns, lines, "years")

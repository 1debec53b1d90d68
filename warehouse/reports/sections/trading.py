"""Compliance section 9: orders as computed, their modelled cost, drift and turnover."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.reports import charts
from warehouse.reports.document import Prose, tabulate, tabulate_question
from warehouse.reports.page import Chart, Column
from warehouse.reports.subject import Book
from warehouse.reports.wording import basis_points, count, multiple, percent

if TYPE_CHECKING:
    from warehouse.reports.document import Block
    from warehouse.reports.evidence import Evidence
    from warehouse.reports.page import Table
    from warehouse.reports.request import Request
    from warehouse.reports.sections.weights import Weights
    from warehouse.reports.subject import Subject

_MODELLED = (
    "Orders are those that a rebalance computed; this system sends none. Fills, arrival prices "
    "and what a broker was told are not recorded, so the shortfall is modelled: slippage and "
    "commission of the simulation as a share of value."
)
_LAST_BIN = 50


def tell_execution(
    evidence: Evidence, subject: Subject, request: Request, weights: Weights
) -> tuple[Block, ...]:
    """Return orders and costs of every book, the histogram of costs, and stray orders."""
    chart = _shortfalls(evidence, subject)
    return (
        Prose(_MODELLED),
        _books(evidence, subject, request),
        *([] if weights.turnover is None else [weights.turnover]),
        *([] if chart is None else [chart]),
        tabulate_question(
            evidence,
            19,
            "stray-orders-table",
            "Orders without a decision behind them, or that aim elsewhere",
            empty="Every recorded order aims at the weight that a completed decision gave.",
        ),
    )


def _books(evidence: Evidence, subject: Subject, request: Request) -> Table:
    return tabulate(
        evidence,
        evidence.ask("execution", run_id=subject.run_id),
        "execution-table",
        f"Orders, turnover and costs of every book {request.spoken}",
        (
            (Column("Sleeve and cell", "text"), lambda row: Book.of(row).name),
            (Column("windows"), lambda row: count(row.count("windows"))),
            (Column("orders"), lambda row: count(row.maybe_count("orders"))),
            (Column("turnover"), lambda row: multiple(row.real("turnover"))),
            (Column("largest drift"), lambda row: percent(row.maybe("largest_drift"))),
            (Column("slippage"), lambda row: percent(row.maybe("slippage"), 2)),
            (Column("commission"), lambda row: percent(row.maybe("commission"), 2)),
            (Column("costs"), lambda row: percent(row.maybe("cost"), 2)),
            (
                Column("largest of a window, bps"),
                lambda row: basis_points(row.maybe("largest_cost")),
            ),
        ),
        empty=f"Nothing was simulated {request.spoken}.",
        tone=lambda row: "main" if Book.of(row) == subject.main else "",
    )


def _shortfalls(evidence: Evidence, subject: Subject) -> Chart | None:
    answer = evidence.ask("shortfalls", run_id=subject.run_id)
    if not len(answer):
        return None
    table = tabulate(
        evidence,
        answer,
        "shortfalls-table",
        "Windows by modelled shortfall",
        (
            (Column("from, bps"), lambda row: count(row.count("from_bps"))),
            (Column("windows"), lambda row: count(row.count("windows"))),
        ),
        empty="",
    )
    bars = [(_bin(row.count("from_bps")), row.count("windows")) for row in answer]
    title = "Windows by what slippage and commission took, in basis points of value"
    said = f"{count(sum(number for _, number in bars))} windows in {len(bars)} steps of 2."
    drawing = charts.count_bars("shortfalls", title, said, bars)
    return Chart("shortfalls", title, drawing, answer.name, table)


def _bin(start: int) -> str:
    return f"{start} and more" if start >= _LAST_BIN else f"{start} to {start + 2}"

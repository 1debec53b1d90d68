"""Section 9: the last decisions, and the last one of each cell in full."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from warehouse.reports.page import Column, Fact, Line, Table
from warehouse.reports.subject import Book
from warehouse.reports.wording import ABSENT, count, day, decimal, percent, plural, small, words

if TYPE_CHECKING:
    from warehouse.reports.evidence import Evidence, RecordRef, Row
    from warehouse.reports.subject import Subject

MOST = 25


@dataclass(frozen=True, slots=True)
class Solution:
    """The last optimisation of a cell in full."""

    name: str
    decision_id: str
    summary: str
    ref: RecordRef
    facts: tuple[Fact, ...]
    weights: Table
    limits: Table
    is_main: bool


@dataclass(frozen=True, slots=True)
class Decisions:
    """The newest decisions, the last of each cell, and the vetoes before them."""

    recent: Table
    solutions: tuple[Solution, ...]
    vetoes: tuple[Table, ...]


def tell_decisions(evidence: Evidence, subject: Subject) -> Decisions:
    """Return the newest decisions of the run."""
    run = {"run_id": subject.run_id}
    weights, limits = (
        _by_decision(list(evidence.ask(name, **run))) for name in ("last_weights", "last_limits")
    )
    solutions = tuple(
        _solution(
            evidence,
            row,
            _weights_table(number, weights[row.text("decision_id")]),
            _limits_table(number, limits[row.text("decision_id")]),
            is_main=Book.of(row) == subject.main,
        )
        for number, row in enumerate(evidence.ask("last_solutions", **run), start=1)
    )
    return Decisions(_recent(evidence, subject), solutions, _vetoes(evidence, subject))


def _by_decision(rows: list[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.text("decision_id")].append(row)
    return found


def _recent(evidence: Evidence, subject: Subject) -> Table:
    answer = evidence.ask("recent_decisions", run_id=subject.run_id, most=MOST)
    columns = (
        Column("Decision", "code"),
        Column("for", "date"),
        Column("status", "text"),
        Column("recorded", "date"),
        Column("result", "code"),
    )
    lines = tuple(
        Line(
            (
                row.text("decision_id").removeprefix(f"{subject.run_id}/"),
                day(row.maybe_day("as_of_date")),
                row.maybe_text("outcome_status") or ABSENT,
                row.moment("decided_at"),
                (row.maybe_text("result_sha256") or ABSENT)[:12],
            ),
            evidence.cite(row, "outcome_seq", "outcome_hash"),
        )
        for row in answer
    )
    caption = f"The last {len(lines)} decisions of the run, newest first"
    return Table("recent-table", caption, columns, lines, answer.name)


def _solution(
    evidence: Evidence, row: Row, weights: Table, limits: Table, *, is_main: bool
) -> Solution:
    ref = evidence.cite(row)
    facts = tuple(Fact(name, text, "last_solutions", ref) for name, text in _solution_facts(row))
    when, held = day(row.maybe_day("as_of_date")), plural(len(weights.lines), "weight")
    summary = f"{when}, {held}, {words(row.text('solver_status'))}"
    name, decision = Book.of(row).name, row.text("decision_id")
    return Solution(name, decision, summary, ref, facts, weights, limits, is_main)


def _solution_facts(row: Row) -> tuple[tuple[str, str], ...]:
    used = f"{row.text('actual_engine')} · {words(row.text('actual_risk_profile'))}"
    asked = f"{row.text('engine')} · {words(row.text('risk_profile'))}"
    return (
        ("Asked for", asked),
        ("Used", used if used != asked else "as asked for"),
        ("Solver", words(row.text("solver_status"))),
        ("Objective", decimal(row.maybe("objective"), 8)),
        ("Iterations", count(row.maybe_count("iterations"))),
        ("Largest residual", small(row.maybe("largest_residual"))),
        ("Regime", row.maybe_text("regime") or ABSENT),
        ("Cap rule", row.maybe_text("cap_rule") or ABSENT),
        ("Symbol cap", _cap(row, "symbol_cap")),
        ("Cluster cap", _cap(row, "cluster_cap")),
        ("Cash", percent(row.maybe("cash_weight"), 2)),
        ("Fallbacks", count(row.maybe_count("fallback_count"))),
        ("Symbols dropped", count(row.maybe_count("dropped_count"))),
    )


def _cap(row: Row, name: str) -> str:
    applied, asked = row.maybe(name), row.maybe(f"{name}_requested")
    also = f" (asked for {percent(asked, 2)})" if asked is not None and asked != applied else ""
    return percent(applied, 2) + also


def _weights_table(number: int, rows: list[Row]) -> Table:
    columns = (Column("Symbol", "code"), Column("weight"), Column("cluster"))
    lines = tuple(
        Line(
            (
                row.text("symbol"),
                percent(row.real("weight"), 2),
                count(row.maybe_count("cluster")),
            )
        )
        for row in rows
    )
    return Table(f"solution-{number}-weights", "Target weights", columns, lines, "last_weights")


def _limits_table(number: int, rows: list[Row]) -> Table:
    columns = (
        Column("Limit", "text"),
        Column("of", "code"),
        Column("value"),
        Column("allowed"),
        Column("slack"),
        Column("state", "text"),
    )
    lines = tuple(
        Line(
            (
                words(row.text("kind")),
                row.text("name"),
                percent(row.real("value"), 2),
                percent(row.real("threshold"), 2),
                percent(row.real("slack"), 2),
                "exceeded"
                if row.flag("is_breached")
                else "binding"
                if row.flag("is_binding")
                else "",
            ),
            tone="fail" if row.flag("is_breached") else "",
        )
        for row in rows
    )
    caption = "Limits, least slack first"
    return Table(f"solution-{number}-limits", caption, columns, lines, "last_limits")


def _vetoes(evidence: Evidence, subject: Subject) -> tuple[Table, ...]:
    sleeves: dict[str, list[Row]] = defaultdict(list)
    answer = evidence.ask("last_vetoes", run_id=subject.run_id)
    for row in answer:
        sleeves[row.text("sleeve")].append(row)
    columns = (
        Column("Symbol", "code"),
        Column("rule", "text"),
        Column("value"),
        Column("limit"),
    )
    tables = []
    for sleeve, rows in sorted(sleeves.items(), key=lambda item: subject.place(item[0])):
        failed = [row for row in rows if not row.flag("is_passed")]
        lines = tuple(
            Line(
                (
                    row.text("symbol"),
                    words(row.text("rule")),
                    decimal(row.maybe("value"), 4),
                    decimal(row.maybe("threshold"), 4),
                ),
                evidence.cite(row),
            )
            for row in failed
        )
        caption = (
            f"{sleeve}: {len(failed)} of {len(rows)} vetoes hit in the selection of "
            f"{day(rows[0].maybe_day('as_of_date'))}"
        )
        table = Table(f"vetoes-{sleeve}", caption, columns, lines, answer.name, empty="")
        tables.append(table)
    return tuple(tables)

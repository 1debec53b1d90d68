"""Compliance section 5: where prices came from, which checks failed, what was restated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.reports.document import Heading, tabulate, tabulate_question
from warehouse.reports.page import Column
from warehouse.reports.wording import ABSENT, count, day, words

if TYPE_CHECKING:
    from warehouse.reports.document import Block
    from warehouse.reports.evidence import Evidence
    from warehouse.reports.page import Table
    from warehouse.reports.request import Request
    from warehouse.reports.sections.health import Health
    from warehouse.reports.subject import Subject


def tell_sources(
    evidence: Evidence, subject: Subject, request: Request, health: Health
) -> tuple[Block, ...]:
    """Return the sources of the run, failed checks, spells, and restatements after use."""
    return (
        _snapshots(evidence, subject),
        Heading("Health", "health"),
        health.failures,
        _spells(evidence, subject, request),
        Heading("Restatements"),
        _restated(evidence),
    )


def _snapshots(evidence: Evidence, subject: Subject) -> Table:
    return tabulate(
        evidence,
        evidence.ask("snapshots", run_id=subject.run_id),
        "snapshots-table",
        "Prices that the run read or composed, with first and last day",
        (
            (Column("Step", "code"), lambda row: row.text("step")),
            (Column("sleeve", "text"), lambda row: row.maybe_text("sleeve") or ABSENT),
            (Column("source", "text"), lambda row: row.maybe_text("source") or ABSENT),
            (Column("symbols"), lambda row: count(row.maybe_count("symbol_count"))),
            (Column("first day", "date"), lambda row: day(row.maybe_day("first_date"))),
            (Column("last day", "date"), lambda row: day(row.maybe_day("last_date"))),
            (Column("rows"), lambda row: count(row.maybe_count("row_count"))),
            (Column("bars"), lambda row: count(row.maybe_count("bar_count"))),
            (Column("blob", "code"), lambda row: row.maybe_text("snapshot_sha256") or ABSENT),
        ),
        empty="The run read no prices.",
    )


def _spells(evidence: Evidence, subject: Subject, request: Request) -> Table:
    return tabulate(
        evidence,
        evidence.ask("spells", run_id=subject.run_id, **request.days),
        "spells-table",
        "Symbols that were not healthy for a while, and what followed",
        (
            (Column("Sleeve", "text"), lambda row: row.text("sleeve")),
            (Column("symbol", "code"), lambda row: row.text("symbol")),
            (Column("status", "text"), lambda row: words(row.text("status"))),
            (Column("from", "date"), lambda row: day(row.maybe_day("first_as_of_date"))),
            (Column("to", "date"), lambda row: day(row.maybe_day("last_as_of_date"))),
            (Column("checks"), lambda row: count(row.maybe_count("check_count"))),
            (Column("then", "text"), lambda row: words(row.maybe_text("next_status") or "end")),
            (Column("reasons", "text"), lambda row: row.maybe_text("reasons") or ABSENT),
        ),
        empty=f"Every symbol passed every check {request.spoken}. Repairs are not recorded: a "
        "repaired source is a new snapshot.",
    )


def _restated(evidence: Evidence) -> Table:
    return tabulate_question(
        evidence,
        11,
        "restated-table",
        "Prices that were restated after a decision had used them",
        empty="Wherever two decisions saw the same days of a sleeve, they saw the same values.",
    )

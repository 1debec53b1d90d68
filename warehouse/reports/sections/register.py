"""Compliance section 7: everything that deviated, what became of it, and who recorded it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.reports.document import Prose, tabulate
from warehouse.reports.page import Column
from warehouse.reports.sections.exceptions import tell_exceptions
from warehouse.reports.wording import ABSENT, bare_percent, day, words

if TYPE_CHECKING:
    from warehouse.reports.document import Block
    from warehouse.reports.evidence import Evidence
    from warehouse.reports.page import Table
    from warehouse.reports.request import Request
    from warehouse.reports.subject import Subject

MOST = 200
NO_DISPOSITION = "none recorded"

_INTRODUCTION = (
    "The register covers the whole ledger: limits, fallbacks and failed decisions by the day they "
    "were decided for, all else by the day it was recorded. What nobody has disposed of stands "
    "first. The owner is the actor that the record names, which is a claim."
)


def tell_register(evidence: Evidence, subject: Subject, request: Request) -> tuple[Block, ...]:
    """Return the register of exceptions, cluster caps, and the lists that it summarises."""
    lists = tell_exceptions(evidence, subject)
    return (
        Prose(_INTRODUCTION),
        _register(evidence, request),
        _caps(evidence),
        lists.findings,
        lists.unsuccessful,
        lists.replays,
        lists.runs,
    )


def _register(evidence: Evidence, request: Request) -> Table:
    return tabulate(
        evidence,
        evidence.ask("register", **request.days),
        "register-table",
        "Register of exceptions",
        (
            (Column("What", "text"), lambda row: words(row.text("kind"))),
            (Column("where", "code"), lambda row: row.text("subject")),
            (Column("detail", "text"), lambda row: row.maybe_text("detail") or ABSENT),
            (
                Column("disposition", "text"),
                lambda row: row.maybe_text("disposition") or NO_DISPOSITION,
            ),
            (Column("owner", "text"), lambda row: row.maybe_text("owner") or ABSENT),
            (Column("recorded", "date"), lambda row: row.text("recorded")[:19]),
        ),
        empty=f"No exception was recorded {request.spoken}.",
        most=MOST,
        tone=lambda row: "" if row.maybe_text("disposition") else "fail",
    )


def _caps(evidence: Evidence) -> Table:
    """Return cluster caps that were exceeded, asked for or in force, and the rule behind each."""
    return tabulate(
        evidence,
        evidence.ask_question(3),
        "cluster-caps-table",
        "Cluster caps that were exceeded, and why",
        (
            (Column("For", "date"), lambda row: day(row.maybe_day("as_of_date"))),
            (Column("sleeve", "text"), lambda row: row.text("sleeve")),
            (Column("engine", "text"), lambda row: row.text("engine")),
            (Column("risk profile", "text"), lambda row: words(row.text("risk_profile"))),
            (Column("cluster"), lambda row: row.text("name")),
            (Column("weight, %"), lambda row: bare_percent(row.real("value"), 2)),
            (Column("cap in force, %"), lambda row: bare_percent(row.real("threshold"), 2)),
            (
                Column("cap asked for, %"),
                lambda row: bare_percent(row.real("requested_threshold"), 2),
            ),
            (Column("what", "text"), lambda row: row.text("breach")),
            (Column("regime", "text"), lambda row: row.maybe_text("regime") or ABSENT),
            (Column("cap rule", "text"), lambda row: words(row.maybe_text("cap_rule") or ABSENT)),
        ),
        empty="No cluster weighed more than its cap, neither the one in force nor the one asked "
        "for.",
        most=MOST,
        tone=lambda row: "fail" if row.text("breach") == "cap in force" else "",
    )

"""Compliance section 10: what was run again, how it was drawn, and which grade it got."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from warehouse.reports import charts
from warehouse.reports.document import Prose, tabulate
from warehouse.reports.page import Chart, Column
from warehouse.reports.wording import ABSENT, count, words

if TYPE_CHECKING:
    from warehouse.reports.document import Block
    from warehouse.reports.evidence import Evidence
    from warehouse.reports.page import Table
    from warehouse.reports.request import Request
    from warehouse.reports.sections.scope import Scope

_DRAWN = (
    "A sample drawn by assay replay --sample N --seed S is a function of the head, the number and "
    "the seed, so the draw can be repeated. The record of a replay names each decision that was "
    "run again; it does not say whether the decision was drawn or named."
)


def tell_certificates(evidence: Evidence, request: Request, scope: Scope) -> tuple[Block, ...]:
    """Return replays and certificates of optimality, and how the environments differ."""
    chart = _chart(evidence, request)
    return (
        Prose(_DRAWN),
        *([] if chart is None else [chart]),
        *([_grades(evidence, request)] if chart is None else []),
        scope.replays,
        _certifications(evidence),
        scope.environment_changes,
    )


def _grades(evidence: Evidence, request: Request) -> Table:
    return tabulate(
        evidence,
        evidence.ask("replay_grades", **request.days),
        "replay-grades-table",
        f"Replays recorded {request.spoken}, by run and grade",
        (
            (Column("Run of replays", "code"), lambda row: row.maybe_text("run_id") or ABSENT),
            (Column("opened", "date"), lambda row: row.moment("opened_at") or ABSENT),
            (Column("by", "text"), lambda row: row.maybe_text("actor") or ABSENT),
            (Column("grade", "text"), lambda row: words(row.text("verdict"))),
            (Column("replays"), lambda row: count(row.count("replays"))),
            (Column("decisions"), lambda row: count(row.count("decisions"))),
        ),
        empty=f"No replay was recorded {request.spoken}.",
    )


def _chart(evidence: Evidence, request: Request) -> Chart | None:
    table = _grades(evidence, request)
    if not table.lines:
        return None
    grades: dict[str, int] = defaultdict(int)
    for row in evidence.ask("replay_grades", **request.days):
        grades[words(row.text("verdict"))] += row.count("replays")
    title = "Replays by grade"
    said = ", ".join(f"{count(number)} {grade}" for grade, number in sorted(grades.items()))
    drawing = charts.count_bars("replay-grades", title, f"{said}.", sorted(grades.items()))
    return Chart("replay-grades", title, drawing, "replay_grades", table)


def _certifications(evidence: Evidence) -> Table:
    return tabulate(
        evidence,
        evidence.ask("certifications"),
        "certifications-table",
        "Certificates of optimality that were checked, up to the head",
        (
            (Column("Kind", "text"), lambda row: row.maybe_text("certificate_kind") or ABSENT),
            (Column("verdict", "text"), lambda row: words(row.text("verdict"))),
            (Column("decisions"), lambda row: count(row.count("decisions"))),
        ),
        empty="No certificate was checked up to the head: assay certify --all checks them.",
    )

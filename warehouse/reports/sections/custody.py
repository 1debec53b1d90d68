"""Compliance section 11: rebuilds, exports, reports, erasures, and records by the hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.reports import charts
from warehouse.reports.document import Heading, Prose, tabulate
from warehouse.reports.page import Chart, Column
from warehouse.reports.wording import ABSENT, count

if TYPE_CHECKING:
    from warehouse.reports.document import Block
    from warehouse.reports.evidence import Evidence
    from warehouse.reports.page import Table
    from warehouse.reports.request import Request

_KEPT = (
    "Records are only ever appended; what may be erased, and when, assay retention says from the "
    "settings of the firm, which are not records. A rebuild from the ledger alone is the drill "
    "that is recorded: the content hash of every mart is compared with other builds of the head."
)
_READ = (
    "Evidence bundles and reports that were taken stand below, as far as they were taken with "
    "this software. Who else could read the files is a matter of the machine they lie on. A report "
    "is recorded after it was made, so it stands in the next one."
)
_MOST_HOURS = 24


def tell_custody(evidence: Evidence, request: Request) -> tuple[Block, ...]:
    """Return drills, the access log, and how records are spread over the hours."""
    chart = _hours(evidence, request)
    return (
        Prose(_KEPT),
        _rebuilds(evidence, request),
        Heading("Access log", "access"),
        Prose(_READ),
        _access(evidence, request),
        *([] if chart is None else [chart]),
    )


def _rebuilds(evidence: Evidence, request: Request) -> Table:
    return tabulate(
        evidence,
        evidence.ask("rebuilds", **request.days),
        "rebuilds-table",
        f"Builds recorded {request.spoken}, with marts that differ from another build of the head",
        (
            (Column("Run", "code"), lambda row: row.text("run_id")),
            (Column("opened", "date"), lambda row: row.moment("opened_at")),
            (Column("through record"), lambda row: count(row.count("through_seq"))),
            (Column("marts"), lambda row: count(row.count("marts"))),
            (Column("different"), lambda row: count(row.count("different"))),
        ),
        empty=f"No build was recorded {request.spoken}.",
        tone=lambda row: "fail" if row.count("different") else "",
    )


def _access(evidence: Evidence, request: Request) -> Table:
    return tabulate(
        evidence,
        evidence.ask("custody", **request.days),
        "access-table",
        f"Exports, reports, sign-offs, anchors, keys, erasures and recoveries {request.spoken}",
        (
            (Column("Recorded", "date"), lambda row: row.text("ts")[:19]),
            (Column("type", "text"), lambda row: row.text("type")),
            (Column("step", "text"), lambda row: row.text("step") or ABSENT),
            (Column("by", "text"), lambda row: row.text("actor") or ABSENT),
            (Column("about", "text"), lambda row: row.text("subject") or ABSENT),
            (Column("digest", "code"), lambda row: row.text("digest") or ABSENT),
        ),
        empty=f"Nothing was exported, reported, signed, anchored or erased {request.spoken}.",
    )


def _hours(evidence: Evidence, request: Request) -> Chart | None:
    answer = evidence.ask("hours", **request.days)
    if not len(answer):
        return None
    table = tabulate(
        evidence,
        answer,
        "hours-table",
        "Records by hour, UTC",
        (
            (Column("Hour", "date"), lambda row: row.text("hour").replace("T", " ")),
            (Column("records"), lambda row: count(row.count("records"))),
            (Column("runs"), lambda row: count(row.count("runs"))),
        ),
        empty="",
    )
    last = list(answer)[-_MOST_HOURS:]
    bars = [(row.text("hour").replace("T", " "), row.count("records")) for row in last]
    title = "Records by hour, UTC"
    said = f"The last {len(bars)} of {len(answer)} hours in which anything was recorded."
    drawing = charts.count_bars("hours", title, said, bars)
    return Chart("hours", title, drawing, answer.name, table)

"""Section 7: the meta-portfolio, its sleeves, and whether flattening kept every fraction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from warehouse.reports.page import Column, Line, Table
from warehouse.reports.sections.weights import stack_chart
from warehouse.reports.wording import ABSENT, count, day, percent, small, words

if TYPE_CHECKING:
    from warehouse.reports.evidence import Answer, Evidence
    from warehouse.reports.page import Chart
    from warehouse.reports.subject import Subject


@dataclass(frozen=True, slots=True)
class Combination:
    """Sleeves with the cell that stands for each, their weights, and the flattened ones."""

    sleeves: Table
    weights: Chart | None
    conservation: Table
    flattened: Table


def tell_combination(evidence: Evidence, subject: Subject) -> Combination | None:
    """Return the meta-portfolio, or `None` when the run has none."""
    run = {"run_id": subject.run_id}
    sleeves = evidence.ask("sleeves", **run)
    if not len(sleeves):
        return None
    title = "Weights of the sleeves in the meta-portfolio"
    return Combination(
        _sleeves(evidence, sleeves),
        stack_chart(evidence, "sleeve-weights", title, evidence.ask("sleeve_weights", **run)),
        _conservation(evidence, evidence.ask("conservation", **run)),
        _flattened(evidence, evidence.ask("flattened_last", **run)),
    )


def _sleeves(evidence: Evidence, answer: Answer) -> Table:
    columns = (
        Column("Sleeve", "text"),
        Column("asked for", "text"),
        Column("stands for it", "text"),
        Column("proxy", "text"),
        Column("reason", "text"),
    )
    lines = tuple(
        Line(
            (
                row.text("sleeve"),
                _cell(row.maybe_text("requested_engine"), row.maybe_text("requested_risk_profile")),
                "dropped"
                if row.flag("is_dropped")
                else _cell(row.maybe_text("used_engine"), row.maybe_text("used_risk_profile")),
                "yes" if row.maybe_flag("is_proxy") else "no",
                row.maybe_text("reason") or ABSENT,
            ),
            evidence.cite(row),
            "fail" if row.flag("is_dropped") else "",
        )
        for row in answer
    )
    caption = "Sleeves, and the cell that stands for each"
    return Table("sleeves-table", caption, columns, lines, answer.name)


def _cell(engine: str | None, risk_profile: str | None) -> str:
    return ABSENT if engine is None else f"{engine} · {words(risk_profile or '')}"


def _conservation(evidence: Evidence, answer: Answer) -> Table:
    columns = (
        Column("Cell", "text"),
        Column("flattenings"),
        Column("conserved"),
        *(Column(name, group="largest difference") for name in ("net", "gross", "recomputed")),
    )
    lines = tuple(
        Line(
            (
                _cell(row.maybe_text("engine"), row.maybe_text("risk_profile")),
                count(row.count("flattenings")),
                count(row.count("conserved")),
                small(row.maybe("largest_net_difference")),
                small(row.maybe("largest_gross_difference")),
                small(row.maybe("largest_recomputed_difference")),
            ),
            evidence.cite(row),
            "fail" if row.count("conserved") < row.count("flattenings") else "",
        )
        for row in answer
    )
    caption = "Conservation: flattened totals against the weights of the sleeves"
    return Table("conservation-table", caption, columns, lines, answer.name)


def _flattened(evidence: Evidence, answer: Answer) -> Table:
    columns = (
        Column("Symbol", "code"),
        Column("net"),
        Column("gross"),
        Column("held by (weight of the sleeve)", "text"),
    )
    rows = list(answer)
    lines = tuple(
        Line(
            (
                row.text("symbol"),
                percent(row.real("net_weight"), 2),
                percent(row.real("gross_weight"), 2),
                row.maybe_text("paths") or ABSENT,
            ),
            evidence.cite(row),
        )
        for row in rows
    )
    when = f" of {day(rows[0].day('as_of_date'))}" if rows else ""
    return Table("flattened-table", f"Flattened weights{when}", columns, lines, answer.name)

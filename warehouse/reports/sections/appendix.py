"""Section 12: every statement with the digest of its result, every record cited, mart hashes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from warehouse.reports.page import Column, Line, Query, Table
from warehouse.reports.wording import ABSENT, count

if TYPE_CHECKING:
    from warehouse.reports.evidence import Evidence

GLOSSARY: tuple[tuple[str, str], ...] = (
    ("book", "A sleeve run with one cell: its holdings, costs and returns through time."),
    ("cap", "The most that one symbol, or one cluster of symbols, may weigh."),
    ("cell", "One engine and one risk profile, as requested."),
    (
        "checkpoint",
        "A signed statement of origin, number of records and Merkle root of the ledger.",
    ),
    ("decision", "An intent, recorded before the work, and its outcome, recorded after it."),
    ("drawdown", "How far the value lies below its highest value so far, as a fraction of it."),
    (
        "fallback",
        "An engine or risk profile used in place of the one asked for, with the reason recorded.",
    ),
    ("flattened", "The weights of a portfolio of sleeves, multiplied out to physical symbols."),
    ("gross, net", "Before and after slippage and commission."),
    ("head", "The hash of the last record that this report stands on."),
    ("orphan", "An intent whose run has closed and that has no outcome."),
    ("record", "One line of the ledger, chained to the line before it by SHA-256."),
    ("regime", "State of the market at the decision date: quiet, normal, turbulent or crisis."),
    ("relaxed", "Caps that could not sum to 1 were raised by the least common factor, by rule."),
    (
        "replay",
        "Running a recorded decision again on its recorded inputs and comparing bit for bit.",
    ),
    (
        "Sharpe ratio",
        "Mean over standard deviation of daily returns, times the square root of the days a year.",
    ),
    ("slack", "Limit minus value: what is left of a limit; negative when it is exceeded."),
    ("sleeve", "A portfolio used as an asset by the meta-portfolio."),
    ("trial", "A cell that was tried in a run. The best of many trials flatters."),
    (
        "turnover",
        "One-way: half the sum of absolute weight changes, cash included; a first purchase is 1.",
    ),
    (
        "volatility",
        "Standard deviation of daily returns, times the square root of the days a year.",
    ),
    ("window", "Days that a decision learns from, followed by the days it is held for."),
    ("§", "Leads to the statement that a number came from; the link after it, to its record."),
)


@dataclass(frozen=True, slots=True)
class Appendix:
    """What a reader needs to check any number of the page."""

    queries: tuple[Query, ...]
    marts: Table
    glossary: tuple[tuple[str, str], ...]
    records: Table


def tell_marts(evidence: Evidence) -> Table:
    """Return the content hashes of the marts that the newest recorded build made."""
    answer = evidence.ask("builds")
    columns = (
        Column("Mart", "code"),
        Column("rows"),
        Column("SHA-256 of its content", "code"),
    )
    lines = tuple(
        Line(
            (
                row.text("mart"),
                count(row.count("row_count")),
                row.text("content_sha256"),
            ),
            evidence.cite(row),
        )
        for row in answer
    )
    newest = answer.first
    through = f", through record {newest.count('through_seq')}" if newest else ""
    return Table(
        "marts-table",
        f"Marts of the newest recorded build{through}",
        columns,
        lines,
        answer.name,
        empty="No build was recorded before this head; the build of these marts is recorded after.",
    )


def tell_appendix(evidence: Evidence, marts: Table) -> Appendix:
    """Return the appendix. Called last: it lists what the other sections asked and cited."""
    records = _records(evidence)
    queries = tuple(
        Query(answer.name, answer.sql, len(answer), answer.sha256) for answer in evidence.answers
    )
    ordered = tuple(sorted(queries, key=lambda query: query.name))
    return Appendix(ordered, marts, GLOSSARY, records)


def _records(evidence: Evidence) -> Table:
    answer = evidence.cited()
    columns = (
        Column("Record"),
        Column("hash", "code"),
        Column("type", "text"),
        Column("status", "text"),
        Column("id", "code"),
    )
    lines = tuple(
        Line(
            (
                str(row.count("seq")),
                row.text("hash"),
                row.text("type"),
                row.maybe_text("status") or ABSENT,
                row.maybe_text("id") or ABSENT,
            )
        )
        for row in answer
    )
    caption = f"The {count(len(lines))} records cited by this report"
    return Table("records-table", caption, columns, lines, answer.name)

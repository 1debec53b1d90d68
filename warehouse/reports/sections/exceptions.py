"""Section 10: everything that deviated, of this run first."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from warehouse.reports.evidence import SHORT_HASH
from warehouse.reports.page import Column, Line, Table
from warehouse.reports.wording import ABSENT, decimal, plural, words

if TYPE_CHECKING:
    from warehouse.reports.evidence import Evidence, Row
    from warehouse.reports.subject import Subject

MOST = 100
"""Rows shown of each list; the rest is counted, and its query is in the appendix."""


@dataclass(frozen=True, slots=True)
class Exceptions:
    """Findings, decisions without success, replays that differ, runs dirty or ended badly."""

    findings: Table
    unsuccessful: Table
    replays: Table
    runs: Table


def tell_exceptions(evidence: Evidence, subject: Subject) -> Exceptions:
    """Return the register of the whole ledger up to the head."""
    return Exceptions(
        _findings(evidence, subject),
        _unsuccessful(evidence, subject),
        _replays(evidence, subject),
        _runs(evidence, subject),
    )


def _findings(evidence: Evidence, subject: Subject) -> Table:
    answer = evidence.ask("findings", run_id=subject.run_id)
    columns = (
        Column("Rule", "text"),
        Column("subject", "code"),
        Column("detail", "text"),
        Column("value"),
        Column("limit"),
    )
    lines = [
        Line(
            (
                words(row.text("rule")),
                row.maybe_text("subject") or ABSENT,
                row.maybe_text("detail") or ABSENT,
                decimal(row.maybe("value"), 6),
                decimal(row.maybe("threshold"), 6),
            ),
            evidence.cite(row),
            "fail",
        )
        for row in list(answer)[:MOST]
    ]
    return Table(
        "findings-table",
        "Findings: rules that recorded facts break",
        columns,
        tuple(lines),
        answer.name,
        omitted=len(answer) - len(lines),
        empty="None: no rule is broken by any record up to the head.",
    )


def _unsuccessful(evidence: Evidence, subject: Subject) -> Table:
    answer = evidence.ask("unsuccessful", run_id=subject.run_id)
    columns = (
        Column("Decision", "code"),
        Column("ended as", "text"),
        Column("error", "code"),
        Column("what", "text"),
    )
    lines = [
        Line(
            (
                row.text("decision_id"),
                _ending(row),
                row.maybe_text("error_code") or ABSENT,
                row.maybe_text("error_what") or ABSENT,
            ),
            evidence.cite(row),
            "fail" if row.text("run_id") == subject.run_id else "",
        )
        for row in list(answer)[:MOST]
    ]
    return Table(
        "unsuccessful-table",
        "Decisions that failed, were aborted, or have no outcome",
        columns,
        tuple(lines),
        answer.name,
        omitted=len(answer) - len(lines),
        empty="None: every intent up to the head has a successful outcome.",
    )


_UNPAIRED = {
    "open": "no outcome, run not closed",
    "orphan": "no outcome (orphan)",
    "repeated": "several outcomes",
}


def _ending(row: Row) -> str:
    if row.text("pairing") != "paired":
        return _UNPAIRED.get(row.text("pairing"), row.text("pairing"))
    later = ", repeated later" if row.flag("is_superseded") else ""
    return f"{row.text('outcome_status')}{later}"


def _replays(evidence: Evidence, subject: Subject) -> Table:
    answer = evidence.ask("replay_differences", run_id=subject.run_id)
    columns = (
        Column("Decision", "code"),
        Column("verdict", "text"),
        Column("first difference", "code"),
        Column("recorded", "code"),
        Column("found", "code"),
    )
    lines = [
        Line(
            (
                row.text("decision_id"),
                words(row.text("verdict")),
                row.maybe_text("first_difference") or ABSENT,
                (row.maybe_text("expected_sha256") or ABSENT)[:SHORT_HASH],
                (row.maybe_text("found_sha256") or ABSENT)[:SHORT_HASH],
            ),
            evidence.cite(row),
            "fail" if row.maybe_text("decided_in") == subject.run_id else "",
        )
        for row in list(answer)[:MOST]
    ]
    return Table(
        "replay-differences-table",
        "Replays that did not give the same bytes",
        columns,
        tuple(lines),
        answer.name,
        omitted=len(answer) - len(lines),
        empty="None: every replay up to the head gave the same bytes.",
    )


def _runs(evidence: Evidence, subject: Subject) -> Table:
    answer = evidence.ask("dirty_runs", run_id=subject.run_id)
    columns = (
        Column("Run", "code"),
        Column("kind", "text"),
        Column("tree", "text"),
        Column("diff kept as", "code"),
        Column("closed as", "text"),
        Column("error", "text"),
    )
    lines = [
        Line(
            (
                row.text("run_id"),
                row.text("kind"),
                _tree(row),
                (row.maybe_text("diff_sha256") or ABSENT)[:SHORT_HASH],
                row.text("close_status"),
                _error(row.maybe_text("error")),
            ),
            evidence.cite(row),
            "fail" if row.text("run_id") == subject.run_id else "",
        )
        for row in list(answer)[:MOST]
    ]
    return Table(
        "dirty-runs-table",
        "Runs with uncommitted changes, or that did not close well",
        columns,
        tuple(lines),
        answer.name,
        omitted=len(answer) - len(lines),
        empty="None: every run up to the head had a clean tree and closed well.",
    )


def _error(text: str | None) -> str:
    """Return code and first part of a recorded error."""
    if text is None:
        return ABSENT
    try:
        error = json.loads(text)
    except ValueError:
        return text
    if not isinstance(error, dict):
        return text
    return " ".join(str(error[key]) for key in ("code", "what") if error.get(key)) or ABSENT


def _tree(row: Row) -> str:
    if not row.flag("is_dirty"):
        return "clean"
    untracked = row.maybe_text("untracked")
    files = len(json.loads(untracked)) if untracked else 0
    return f"dirty, {plural(files, 'untracked file')}" if files else "dirty"

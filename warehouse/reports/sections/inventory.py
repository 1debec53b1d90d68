"""Compliance section 4: which models decide, what changed, and who agreed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.reports.document import Heading, Prose, tabulate
from warehouse.reports.page import Column
from warehouse.reports.wording import ABSENT, count, words

if TYPE_CHECKING:
    from warehouse.reports.document import Block
    from warehouse.reports.evidence import Evidence, Row
    from warehouse.reports.page import Table
    from warehouse.reports.request import Request

_UNRECORDED = (
    "Owner, purpose, tier and the date of the last validation are decisions of people; the ledger "
    "does not hold them. A model is a stage with an engine and a risk profile."
)


def tell_inventory(evidence: Evidence, request: Request) -> tuple[Block, ...]:
    """Return the models of the ledger, their changes, and the approvals of the period."""
    return (
        Prose(_UNRECORDED),
        _models(evidence),
        Heading("Changes"),
        _changes(evidence, request),
        _manifests(evidence),
        Heading("Approvals"),
        _approvals(evidence, request),
        _gates(evidence, request),
    )


def _models(evidence: Evidence) -> Table:
    return tabulate(
        evidence,
        evidence.ask("models"),
        "models-table",
        "Models in use, up to the head",
        (
            (Column("Stage", "code"), lambda row: row.text("stage")),
            (Column("engine", "text"), lambda row: row.maybe_text("engine") or ABSENT),
            (Column("risk profile", "text"), _profile),
            (Column("runs"), lambda row: count(row.count("run_count"))),
            (Column("parameter sets"), lambda row: count(row.count("parameter_set_count"))),
            (Column("decisions"), lambda row: count(row.count("decision_count"))),
            (Column("failed"), lambda row: count(row.count("failed_count"))),
            (Column("replays"), lambda row: count(row.count("replay_count"))),
            (Column("confirmed"), lambda row: count(row.count("confirmed_count"))),
            (Column("first used", "date"), lambda row: row.moment("first_used_at")),
            (Column("last used", "date"), lambda row: row.moment("last_used_at")),
        ),
        empty="No model has decided anything up to the head.",
    )


def _profile(row: Row) -> str:
    return words(row.maybe_text("risk_profile") or ABSENT)


def _changes(evidence: Evidence, request: Request) -> Table:
    return tabulate(
        evidence,
        evidence.ask("changes", **request.days),
        "changes-table",
        "Code, lock file, manifest and environment: changes from the run before",
        (
            (Column("Run", "code"), lambda row: row.text("run_id")),
            (Column("field", "code"), lambda row: row.text("field")),
            (Column("before", "code"), lambda row: row.maybe_text("previous_value") or ABSENT),
            (Column("after", "code"), lambda row: row.maybe_text("value") or ABSENT),
        ),
        empty=f"No change between runs of a profile was recorded {request.spoken}.",
    )


def _manifests(evidence: Evidence) -> Table:
    return tabulate(
        evidence,
        evidence.ask("manifests"),
        "manifests-table",
        "Manifests that were used, up to the head",
        (
            (Column("Manifest", "code"), lambda row: row.text("manifest_id")),
            (Column("profile", "text"), lambda row: row.maybe_text("profile") or ABSENT),
            (Column("runs"), lambda row: count(row.count("run_count"))),
            (Column("first used", "date"), lambda row: row.moment("first_used_at")),
            (Column("approved before, in record"), _approval),
        ),
        empty="No run up to the head used a manifest.",
    )


def _approval(row: Row) -> str:
    seq = row.maybe_count("approval_seq")
    return "not approved" if seq is None else count(seq)


def _approvals(evidence: Evidence, request: Request) -> Table:
    return tabulate(
        evidence,
        evidence.ask("approvals", **request.days),
        "approvals-table",
        f"Statements of people recorded {request.spoken}",
        (
            (Column("Action", "text"), lambda row: row.text("action")),
            (Column("about", "text"), _subject),
            (Column("person", "text"), lambda row: row.maybe_text("person") or ABSENT),
            (Column("signed", "text"), lambda row: "yes" if row.flag("is_signed") else "no"),
            (Column("until", "date"), lambda row: row.moment("until_at") or ABSENT),
            (Column("recorded", "date"), lambda row: row.moment("recorded_at")),
            (Column("ended by record"), lambda row: count(row.maybe_count("ended_seq"))),
            (Column("reason", "text"), lambda row: row.maybe_text("reason") or ABSENT),
        ),
        empty=f"No approvals, withdrawals, overrides or halts were recorded {request.spoken}.",
    )


def _subject(row: Row) -> str:
    kind, digest, gate = (row.maybe_text(name) for name in ("kind", "digest", "gate"))
    return f"{kind} {(digest or '')[:12]}" if kind else gate or ABSENT


def _gates(evidence: Evidence, request: Request) -> Table:
    return tabulate(
        evidence,
        evidence.ask("gates", **request.days),
        "gates-table",
        f"Gates of live runs opened {request.spoken}",
        (
            (Column("Run", "code"), lambda row: row.maybe_text("run_id") or ABSENT),
            (Column("gate", "text"), lambda row: row.text("gate")),
            (Column("recorded", "text"), lambda row: row.maybe_text("status") or ABSENT),
            (Column("asked again", "text"), lambda row: row.text("found_status")),
            (Column("approved by", "text"), _approver),
            (Column("started by", "text"), lambda row: row.maybe_text("actor") or ABSENT),
        ),
        empty=f"No live run was opened {request.spoken}.",
        tone=lambda row: "" if row.text("found_status") == "passed" else "fail",
    )


def _approver(row: Row) -> str:
    return row.maybe_text("found_approved_by") or ABSENT
